#include "lessons/steps.hpp"

#include "gemma/trace/names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace lesson {

namespace {

std::string first_numbers(const std::vector<float>& row) {
    constexpr std::size_t shown = 3;
    std::string text;
    for (std::size_t i = 0; i < std::min(shown, row.size()); ++i) text += fmt::format("{:9.4f}", row[i]);
    return row.size() > shown ? text + " …" : text;
}

// The parts of a norm stand below it: "  .mean_square".
std::string label_of(const std::string& name) {
    const bool inside_norm = name.find("layernorm.") != std::string::npos;
    return inside_norm ? "  ." + name.substr(name.find('.') + 1) : name;
}

}  // namespace

std::string layer_name(std::size_t i) { return fmt::format("model.layers.{}", i); }

std::vector<float> last_row(const gemma::Record& record, const std::string& name) {
    const gemma::RecordedTensor tensor = record.tensor(name);
    const gemma::Shape& shape = tensor.shape;
    const std::size_t axis = gemma::token_axis(name, shape);
    const std::size_t columns = axis + 1 < shape.size() ? shape.back() : 1;
    const std::size_t row_size =
        tensor.numbers.size() / gemma::element_count(gemma::Shape(shape.begin(), shape.begin() + axis + 1));
    const float* row = tensor.numbers.data() + (shape[axis] - 1) * row_size;
    return std::vector<float>(row, row + std::min(columns, row_size));
}

double last_norm(const gemma::Record& record, const std::string& name) {
    const std::vector<float> row = last_row(record, name);
    return std::sqrt(std::inner_product(row.begin(), row.end(), row.begin(), 0.0));
}

std::string step_line(const viz::Console& console, const std::string& label, const Step& step,
                      const gemma::Record& record, const std::string& name) {
    return fmt::format("{} {} {}{}", console.cyan(viz::padded(label, 24)),
                       viz::padded(fmt::format("{} {}", step.axes, gemma::to_string(record.shape(name))), 17),
                       console.dim(viz::padded(step.formula, 25)), first_numbers(last_row(record, name)));
}

std::vector<std::string> layer_lines(const viz::Console& console, const gemma::Record& record, std::size_t i) {
    std::vector<std::string> lines;
    for (const Step& step : layer_steps) {
        lines.push_back(step_line(console, label_of(step.name), step, record, layer_name(i) + "." + step.name));
    }
    const Step output{"", "T D", "residual_attn + down_proj"};
    lines.push_back(step_line(console, fmt::format("layers.{}", i), output, record, layer_name(i)));
    return lines;
}

}  // namespace lesson
