#include "viz/notebook.hpp"

#include "gemma/error.hpp"
#include "gemma/text/tokenizer.hpp"
#include "gemma/trace/names.hpp"
#include "gemma/trace/recorder.hpp"
#include "gemma/trace/trace_file.hpp"
#include "viz/blocks.hpp"
#include "viz/drawing.hpp"
#include "viz/numbers.hpp"
#include "viz/plot.hpp"
#include "viz/sparkline.hpp"
#include "viz/table.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace viz {

namespace {

// What a picture shows of a tensor at most: more is condensed.
constexpr std::size_t most_rows = 64, most_columns = 192, most_slices = 16;
constexpr std::size_t text_columns = 96, text_rows = 24;

std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    return text;
}

std::string with_title(const std::string& title, const std::vector<std::string>& lines) {
    return (title.empty() ? "" : title + "\n") + joined(lines);
}

// --- Tensors as maps -------------------------------------------------------------------------------------------------

template <std::size_t N>
Tensor copy(const xt::xtensor<float, N>& tensor, std::string name, std::vector<std::string> labels) {
    return {
        std::move(name), gemma::shape_of(tensor), {tensor.data(), tensor.data() + tensor.size()}, std::move(labels)};
}

void require_labels(const Tensor& tensor) {
    const gemma::Shape& shape = tensor.shape;
    if (shape.empty() || shape.size() > 3 || tensor.numbers.size() != gemma::element_count(shape)) {
        gemma::fail("{}: found {} numbers of shape {}, expected those of one to three axes", tensor.name,
                    tensor.numbers.size(), gemma::to_string(shape));
    }
    const std::size_t count = tensor.labels.size();
    if (count > 0 && count != shape[0] && !(shape.size() == 3 && count == shape[1])) {
        gemma::fail("{}: found {} labels for shape {}, expected one a row", tensor.name, count,
                    gemma::to_string(shape));
    }
}

// A matrix of the tensor: all of [T, D], or the slice at an index of the first axis. Labels of the second axis are
// those of a slice's rows.
HeatMap slice(const Tensor& tensor, std::size_t index) {
    const std::size_t rank = tensor.shape.size(), columns = tensor.shape.back();
    const std::size_t rows = rank == 1 ? 1 : tensor.shape[rank - 2];
    HeatMap map{"", "", "", {}};
    auto number = tensor.numbers.begin() + static_cast<std::ptrdiff_t>(index * rows * columns);
    for (std::size_t row = 0; row < rows; ++row, number += static_cast<std::ptrdiff_t>(columns)) {
        map.rows.emplace_back(number, number + static_cast<std::ptrdiff_t>(columns));
    }
    if (rank > 1 && tensor.labels.size() == rows) map.row_labels = tensor.labels;
    return map;
}

std::size_t slice_count(const Tensor& tensor) { return tensor.shape.size() == 3 ? tensor.shape[0] : 1; }

// "[3, :, :]", with the label of the first axis where it has some.
std::string slice_name(const Tensor& tensor, std::size_t index) {
    const bool labelled = tensor.labels.size() == tensor.shape[0] && tensor.labels.size() != tensor.shape[1];
    return fmt::format("[{}, :, :]", index) + (labelled ? " " + tensor.labels[index] : "");
}

std::vector<std::string> fewer_labels(const std::vector<std::string>& labels, std::size_t count, std::size_t group) {
    std::vector<std::string> fewer;
    for (std::size_t i = 0; i < count; i += group) fewer.push_back(labels.empty() ? std::to_string(i) : labels[i]);
    return fewer;
}

// The same map in a size that a page can draw; its title says so.
HeatMap drawable(const HeatMap& map) {
    const std::size_t rows = map.rows.size(), columns = map.rows[0].size();
    const std::size_t row_group = group_size(rows, most_rows), column_group = group_size(columns, most_columns);
    if (row_group * column_group == 1) return map;
    HeatMap fewer = map;
    fewer.rows = condensed(map.rows, most_rows, most_columns);
    if (row_group > 1) fewer.row_labels = fewer_labels(map.row_labels, rows, row_group);
    if (column_group > 1) fewer.column_labels = fewer_labels(map.column_labels, columns, column_group);
    fewer.title += fmt::format("{}a cell: of {} x {} numbers the one furthest from zero", map.title.empty() ? "" : "; ",
                               row_group, column_group);
    return fewer;
}

std::string heading(const Tensor& tensor) {
    const Summary summary = summary_of(tensor.numbers);
    return fmt::format("{}{}{}, least {}, mean {}, largest {}", tensor.name, tensor.name.empty() ? "" : " ",
                       gemma::to_string(tensor.shape), number(summary.range.least), number(summary.mean),
                       number(summary.range.largest));
}

Chart curve_of(const Tensor& tensor) {
    Series series{"", {}, {tensor.numbers.begin(), tensor.numbers.end()}};
    for (std::size_t i = 0; i < tensor.numbers.size(); ++i) series.x.push_back(static_cast<double>(i));
    return {"", {"index"}, {}, {series}};
}

// --- HTML ------------------------------------------------------------------------------------------------------------

std::string block(const std::string& inside) { return "<div style=\"max-width:640px\">\n" + inside + "</div>\n"; }

std::string caption(const std::string& text) {
    return "<div style=\"font-family:monospace\">" + escaped(text) + "</div>\n";
}

std::string table_row(const std::vector<std::string>& cells, const char* tag) {
    std::string row = "<tr>";
    for (std::size_t i = 0; i < cells.size(); ++i) {
        const char* align = i >= 2 && i <= 4 ? "right" : "left";
        row += fmt::format("<{0} style=\"text-align:{1};padding:0 0.5em\">{2}</{0}>", tag, align, escaped(cells[i]));
    }
    return row + "</tr>\n";
}

Table listing(const gemma::Record& record) {
    Table table{{"tensor", "shape", "least", "mean", "largest", "last row"}, {}};
    for (const std::string& name : record.names()) {
        const gemma::RecordedTensor tensor = record.tensor(name);
        const Summary summary = summary_of(tensor.numbers);
        const std::size_t columns = tensor.shape.back();
        const std::vector<double> row(tensor.numbers.end() - static_cast<std::ptrdiff_t>(columns),
                                      tensor.numbers.end());
        table.rows.push_back({name, gemma::to_string(tensor.shape), number(summary.range.least, 3),
                              number(summary.mean, 3), number(summary.range.largest, 3), sparkline(row, 16)});
    }
    return table;
}

template <typename Value>
nlohmann::json bundle(const Value& value) {
    return {{"text/html", html(value)}, {"text/plain", plain_text(value)}};
}

// --- Attention -------------------------------------------------------------------------------------------------------

HeatMap head_map(const Attention& attention, std::size_t head) {
    HeatMap map = slice(attention.probs, head);
    map.title = fmt::format("head {}", head);
    map.row_axis = "query";
    map.column_axis = "key";
    map.column_labels = attention.tokens;
    if (!attention.tokens.empty()) {
        map.row_labels.assign(attention.tokens.end() - static_cast<std::ptrdiff_t>(map.rows.size()),
                              attention.tokens.end());
    }
    return map;
}

Attention attention_of(Tensor probs, std::vector<std::string> tokens) {
    const gemma::Shape& shape = probs.shape;
    if (shape.size() != 3 || shape[1] > shape[2]) {
        gemma::fail("attention: found shape {}, expected heads, tokens, and at least as many tokens that are looked at",
                    gemma::to_string(shape));
    }
    if (!tokens.empty() && tokens.size() != shape[2]) {
        gemma::fail("attention: found {} tokens for shape {}, expected {}", tokens.size(), gemma::to_string(shape),
                    shape[2]);
    }
    return {std::move(probs), std::move(tokens)};
}

}  // namespace

Tensor tensor(const gemma::Vector& tensor, std::string name, std::vector<std::string> labels) {
    return copy(tensor, std::move(name), std::move(labels));
}
Tensor tensor(const gemma::Matrix& tensor, std::string name, std::vector<std::string> labels) {
    return copy(tensor, std::move(name), std::move(labels));
}
Tensor tensor(const gemma::Tensor3& tensor, std::string name, std::vector<std::string> labels) {
    return copy(tensor, std::move(name), std::move(labels));
}
Tensor tensor(const gemma::Record& record, const std::string& name, std::vector<std::string> labels) {
    gemma::RecordedTensor recorded = record.tensor(name);
    return {name, recorded.shape, std::move(recorded.numbers), std::move(labels)};
}

Attention attention(const gemma::Tensor3& probs, std::vector<std::string> tokens) {
    return attention_of(tensor(probs, "attention"), std::move(tokens));
}
Attention attention(const gemma::Record& record, std::size_t layer, std::vector<std::string> tokens) {
    return attention_of(tensor(record, fmt::format("model.layers.{}.self_attn.probs", layer)), std::move(tokens));
}

std::vector<std::string> token_texts(const gemma::Tokenizer& tokenizer, const std::vector<int>& tokens) {
    std::vector<std::string> texts;
    for (const int token : tokens) texts.push_back(printable(tokenizer.piece(token)));
    return texts;
}

// --- text/html -------------------------------------------------------------------------------------------------------

std::string html(const Tensor& tensor) {
    require_labels(tensor);
    std::string inside = caption(heading(tensor));
    if (tensor.shape.size() == 1) return block(inside + svg(curve_of(tensor)));
    if (tensor.shape.size() == 2) return block(inside + svg(drawable(slice(tensor, 0))));
    for (std::size_t i = 0; i < std::min(slice_count(tensor), most_slices); ++i) {
        inside += fmt::format("<details{}><summary style=\"font-family:monospace\">{}</summary>\n{}</details>\n",
                              i == 0 ? " open=\"open\"" : "", escaped(slice_name(tensor, i)),
                              svg(drawable(slice(tensor, i))));
    }
    if (slice_count(tensor) > most_slices) {
        inside += caption(fmt::format("… {} more", slice_count(tensor) - most_slices));
    }
    return block(inside);
}

std::string html(const Attention& attention) {
    std::string heads;
    for (std::size_t head = 0; head < attention.probs.shape[0]; ++head) {
        heads +=
            "<div style=\"flex:1 1 300px;max-width:640px\">\n" + svg(drawable(head_map(attention, head))) + "</div>\n";
    }
    return "<div>\n" + caption(attention.probs.name + " " + gemma::to_string(attention.probs.shape)) +
           "<div style=\"display:flex;flex-wrap:wrap;gap:12px\">\n" + heads + "</div>\n</div>\n";
}

std::string html(const gemma::Record& record) {
    const Table table = listing(record);
    std::string rows = table_row(table.header, "th");
    for (const std::vector<std::string>& row : table.rows) rows += table_row(row, "td");
    return "<table style=\"font-family:monospace\">\n" + rows + "</table>\n";
}

std::string html(const Chart& chart) { return block(svg(chart)); }
std::string html(const BarChart& chart) { return block(svg(chart)); }
std::string html(const HeatMap& map) { return block(svg(map)); }

// --- text/plain ------------------------------------------------------------------------------------------------------

std::string plain_text(const Tensor& tensor) {
    require_labels(tensor);
    std::string text = heading(tensor) + "\n";
    for (std::size_t i = 0; i < std::min<std::size_t>(slice_count(tensor), 3); ++i) {
        if (tensor.shape.size() == 3) text += slice_name(tensor, i) + "\n";
        text += joined(number_lines(slice(tensor, i), text_columns, 10));
    }
    if (slice_count(tensor) > 3) text += fmt::format("… {} more\n", slice_count(tensor) - 3);
    return text;
}

std::string plain_text(const Attention& attention) {
    std::string text;
    for (std::size_t head = 0; head < attention.probs.shape[0]; ++head) {
        const HeatMap map = head_map(attention, head);
        text += with_title(map.title, viz::text(map, text_columns, text_rows, Console(false)));
    }
    return text;
}

std::string plain_text(const gemma::Record& record) { return joined(lines(listing(record))); }

std::string plain_text(const Chart& chart) {
    return with_title(chart.title, text(chart, text_columns, text_rows, Console(false)));
}
std::string plain_text(const BarChart& chart) {
    return with_title(chart.title, text(chart, text_columns, Console(false)));
}
std::string plain_text(const HeatMap& map) {
    return with_title(map.title, text(map, text_columns, text_rows, Console(false)));
}

// --- Both ------------------------------------------------------------------------------------------------------------

nlohmann::json mime_bundle_repr(const Tensor& tensor) { return bundle(tensor); }
nlohmann::json mime_bundle_repr(const Attention& attention) { return bundle(attention); }
nlohmann::json mime_bundle_repr(const Chart& chart) { return bundle(chart); }
nlohmann::json mime_bundle_repr(const BarChart& chart) { return bundle(chart); }
nlohmann::json mime_bundle_repr(const HeatMap& map) { return bundle(map); }

}  // namespace viz

namespace gemma {

nlohmann::json mime_bundle_repr(const Recorder& recorder) {
    return {{"text/html", viz::html(recorder)}, {"text/plain", viz::plain_text(recorder)}};
}

nlohmann::json mime_bundle_repr(const TraceFile& trace) {
    return {{"text/html", viz::html(trace)}, {"text/plain", viz::plain_text(trace)}};
}

}  // namespace gemma
