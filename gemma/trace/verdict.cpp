#include "gemma/trace/verdict.hpp"

#include "gemma/error.hpp"
#include "gemma/trace/flow.hpp"
#include "gemma/trace/names.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace gemma {

namespace {

constexpr double margin = 3;  // over what inputs and rounding explain; see verdict.hpp

// A softmax whose scores nobody showed: as relative differences they grow by about the scores' own magnitude, which is
// a few units.
constexpr double unseen_softmax = 2;

// The relative rms error of rounding to this many significant bits.
double rounding_error(DType precision) {
    const int bits = precision == DType::bfloat16 ? 8 : precision == DType::float16 ? 11 : 24;
    const double magnitude = std::sqrt(1.5 / std::log(2.0));
    return std::ldexp(1.0, 1 - bits) / std::sqrt(12.0) / magnitude;
}

bool compared(const TensorComparison& tensor) {
    return tensor.match == Match::same || tensor.match == Match::different;
}

bool is_probs(const std::string& name) {
    const std::optional<LayerName> inside = layer_name(name);
    return inside && inside->part == "self_attn.probs";
}

class Judge {
public:
    Judge(const Comparison& comparison, DType precision, bool strict)
        : comparison_(comparison), rounding_(rounding_error(precision)), strict_(strict) {
        verdict_.precision = precision;
        verdict_.tensors.resize(comparison.tensors.size());
        for (std::size_t i = 0; i < comparison.tensors.size(); ++i) {
            const std::string& name = comparison.tensors[i].name;
            index_[name] = i;
            if (const std::optional<LayerName> inside = layer_name(name)) {
                layers_ = std::max(layers_, inside->layer + 1);
            }
        }
    }

    Verdict run() {
        for (std::size_t i = 0; i < comparison_.tensors.size(); ++i) judge(i);
        return std::move(verdict_);
    }

private:
    void judge(std::size_t i) {
        const TensorComparison& tensor = comparison_.tensors[i];
        TensorVerdict& verdict = verdict_.tensors[i];
        if (tensor.match == Match::only_in_reference || tensor.match == Match::only_in_other) return;

        verdict.explained = margin * std::hypot(std::sqrt(squares_of_inputs(tensor.name, verdict)), rounding_);
        const bool input_differs =
            std::any_of(verdict.inputs.begin(), verdict.inputs.end(), [&](const std::string& input) {
                return verdict_.tensors[index_.at(input)].judgement == Judgement::different;
            });
        verdict.judgement = judgement_of(tensor, input_differs ? margin * rounding_ : verdict.explained);
        verdict.own_fault = verdict.judgement == Judgement::different && !input_differs;
        if (verdict.judgement == Judgement::different && !verdict_.first) verdict_.first = i;
    }

    Judgement judgement_of(const TensorComparison& tensor, double explained) const {
        if (!compared(tensor)) return Judgement::different;
        if (tensor.difference == 0) return Judgement::identical;
        if (tensor.match == Match::same) return Judgement::rounding_noise;
        if (strict_ || !(tensor.rms <= explained)) return Judgement::different;
        return Judgement::rounding_noise;
    }

    // Σ e_i² over what feeds a tensor: of an input that was compared its own difference, of another one what feeds that
    // in turn, and one rounding for it.
    double squares_of_inputs(const std::string& name, TensorVerdict& verdict) const {
        double squares = 0;
        for (const std::string& input : step_of(name, layers_).inputs) {
            const auto found = index_.find(input);
            const TensorComparison* tensor = found == index_.end() ? nullptr : &comparison_.tensors[found->second];
            if (tensor != nullptr && (compared(*tensor) || tensor->match == Match::other_shape)) {
                add_once(verdict.inputs, input);
                squares += std::pow(is_probs(name) ? tensor->rms_difference : tensor->rms, 2);
            } else {
                add_once(verdict.between, input);
                const double behind = squares_of_inputs(input, verdict) + rounding_ * rounding_;
                squares += (is_probs(name) ? unseen_softmax * unseen_softmax : 1) * behind;
            }
        }
        return squares;
    }

    static void add_once(std::vector<std::string>& names, const std::string& name) {
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }

    const Comparison& comparison_;
    const double rounding_;
    const bool strict_;
    std::map<std::string, std::size_t> index_;
    std::size_t layers_ = 0;
    Verdict verdict_;
};

// Whether a run in 16 bits rounds this tensor: norms compute in float32 up to their output, and the rows of the
// embedding are the weights'.
bool tells_precision(const std::string& name) {
    return !matches(name, "*.mean_square") && !matches(name, "*.normalized") && name != "model.embed_tokens";
}

bool all_are(DType precision, const std::vector<float>& numbers) {
    return std::all_of(numbers.begin(), numbers.end(), [&](float number) {
        const float rounded = precision == DType::bfloat16 ? bfloat16_to_float(float_to_bfloat16(number))
                                                           : float16_to_float(float_to_float16(number));
        return rounded == number || std::isnan(number);
    });
}

// "a and b", "a, b and c".
std::string listed(const std::vector<std::string>& names) {
    if (names.size() < 2) return names.empty() ? "" : names.front();
    return fmt::format("{} and {}", fmt::join(names.begin(), names.end() - 1, ", "), names.back());
}

std::string all_the_same(const Comparison& comparison, const Verdict& verdict) {
    const std::size_t identical = verdict.count(Judgement::identical), noise = verdict.count(Judgement::rounding_noise);
    if (noise == 0) return "the same: every tensor in both is identical";
    const std::size_t over = static_cast<std::size_t>(
        std::count_if(comparison.tensors.begin(), comparison.tensors.end(),
                      [](const TensorComparison& tensor) { return tensor.match == Match::different; }));
    if (over == 0) return "the same: every tensor in both is within tolerance";
    return fmt::format(
        "the same but for rounding noise of {}: {} of {} tensors are over the tolerance of float32, "
        "none by more than its inputs and its own rounding explain",
        to_string(verdict.precision), over, identical + noise);
}

// What the inputs of the first tensor that differs say.
std::string blame(const TensorComparison& tensor, const TensorVerdict& verdict, std::size_t layers) {
    const std::string_view formula = step_of(tensor.name, layers).formula;
    if (formula.empty()) return "a name that a trace does not have, so what feeds it is not known";
    const std::string step = fmt::format("{} ({})", tensor.name, formula);
    if (verdict.inputs.empty()) {
        return verdict.between.empty() ? fmt::format("nothing comes before it, so the fault is in this step: {}", step)
                                       : "nothing that comes before it was compared: show more tensors";
    }
    const std::string inputs = fmt::format("its {} ({})", verdict.inputs.size() == 1 ? "input agrees" : "inputs agree",
                                           listed(verdict.inputs));
    if (verdict.between.empty())
        return fmt::format("{}, its output does not, so the fault is in this step: {}", inputs, step);
    return fmt::format("{}, its output does not, so the fault is in this step or in one that was not compared ({}): {}",
                       inputs, fmt::join(verdict.between, ", "), step);
}

}  // namespace

std::string_view to_string(Judgement judgement) {
    switch (judgement) {
        case Judgement::identical: return "identical";
        case Judgement::rounding_noise: return "rounding noise";
        case Judgement::different: return "different";
        case Judgement::not_compared: return "not compared";
    }
    return "";
}

std::size_t Verdict::count(Judgement judgement) const {
    return static_cast<std::size_t>(std::count_if(
        tensors.begin(), tensors.end(), [&](const TensorVerdict& tensor) { return tensor.judgement == judgement; }));
}

DType precision_of(const Record& record, const std::string& stated) {
    for (const DType precision : {DType::float32, DType::bfloat16, DType::float16}) {
        if (stated == to_string(precision)) return precision;
    }
    std::vector<DType> candidates = {DType::bfloat16, DType::float16};
    bool any = false;
    for (const std::string& name : record.names()) {
        if (!tells_precision(name)) continue;
        any = true;
        const std::vector<float> numbers = record.tensor(name).numbers;
        candidates.erase(std::remove_if(candidates.begin(), candidates.end(),
                                        [&](DType precision) { return !all_are(precision, numbers); }),
                         candidates.end());
        if (candidates.empty()) return DType::float32;
    }
    return any ? candidates.front() : DType::float32;
}

DType coarser(DType a, DType b) { return rounding_error(a) >= rounding_error(b) ? a : b; }

Verdict judge(const Comparison& comparison, DType precision, bool strict) {
    return Judge(comparison, precision, strict || precision == DType::float32).run();
}

std::string explain(const Comparison& comparison, const Verdict& verdict) {
    if (verdict.same()) return all_the_same(comparison, verdict);
    std::size_t layers = 0;
    for (const TensorComparison& tensor : comparison.tensors) {
        if (const std::optional<LayerName> inside = layer_name(tensor.name)) {
            layers = std::max(layers, inside->layer + 1);
        }
    }
    return blame(comparison.tensors[*verdict.first], verdict.tensors[*verdict.first], layers);
}

}  // namespace gemma
