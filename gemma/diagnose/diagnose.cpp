#include "gemma/diagnose/diagnose.hpp"

#include "gemma/components/softmax.hpp"
#include "gemma/diagnose/edits.hpp"
#include "gemma/error.hpp"
#include "gemma/trace/names.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <utility>

namespace gemma {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double same_numbers = 1e-5;     // relative to the largest
constexpr std::size_t most_mistakes = 3;  // at once
constexpr std::size_t most_followed = 4;  // attempts that explain a part, each of which is tried with a further mistake

using Names = std::vector<std::string>;

// Thrown to end a pass that has reached what it was for.
struct Reached {};

// Keeps, of the tensors that the other trace has, the rows that it has.
class Kept : public Observer, public Record {
public:
    Kept(const Record& other, std::string last) : other_(other), last_(std::move(last)) {
        for (const std::string& name : other.names()) wanted_[name] = other.shape(name);
    }

    void observe(const std::string& name, const TensorView& tensor) override {
        if (const auto wanted = wanted_.find(name); wanted != wanted_.end()) {
            const std::size_t axis = token_axis(name, tensor.shape), T = tensor.shape[axis];
            std::size_t first = std::min(other_.range().begin, T), last = std::min(other_.range().end, T);
            const bool is_logits = name == "lm_head" && wanted->second.size() == 2;
            const std::size_t rows_there = is_logits ? wanted->second[0] : T;
            first = std::max(first, last - std::min(last, rows_there));  // generation has the last tokens' logits only
            kept_[name] = rows(tensor, axis, first, last);
            names_.push_back(name);
        }
        if (name == last_) throw Reached();
    }

    std::vector<std::string> names() const override { return names_; }
    Shape shape(const std::string& name) const override { return kept_.at(name).shape; }
    RecordedTensor tensor(const std::string& name) const override { return kept_.at(name); }
    TokenRange range() const override { return other_.range(); }

private:
    static RecordedTensor rows(const TensorView& tensor, std::size_t axis, std::size_t first, std::size_t last) {
        RecordedTensor kept{tensor.shape, {}};
        const std::size_t T = tensor.shape[axis], heads = axis == 1 ? tensor.shape[0] : 1;
        const std::size_t size = tensor.size() / (T * heads);
        kept.shape[axis] = last - first;
        for (std::size_t h = 0; h < heads; ++h) {
            const float* head = tensor.data + h * T * size;
            kept.numbers.insert(kept.numbers.end(), head + first * size, head + last * size);
        }
        return kept;
    }

    const Record& other_;
    std::string last_;
    std::map<std::string, Shape> wanted_;
    std::map<std::string, RecordedTensor> kept_;
    Names names_;
};

// A pass that was run, and what it showed.
struct Pass {
    Attempt attempt;
    Kept kept;
    Comparison comparison;
    Verdict verdict;
};

bool explains_more(const Attempt& a, const Attempt& b) {
    if (a.explains() != b.explains()) return a.explains();
    if (a.explains()) return a.sum_of_rms < b.sum_of_rms;
    if (a.agreeing != b.agreeing) return a.agreeing > b.agreeing;
    return a.at_divergence < b.at_divergence;
}

// The c of theirs = c · ours, if there is one: by least squares, c = Σ ours · theirs / Σ ours².
std::optional<double> common_factor(const std::vector<float>& ours, const std::vector<float>& theirs) {
    double product = 0, squares = 0, largest = 0, error = 0;
    for (std::size_t i = 0; i < ours.size(); ++i) {
        product += static_cast<double>(ours[i]) * theirs[i];
        squares += static_cast<double>(ours[i]) * ours[i];
    }
    const double factor = product / squares;
    for (std::size_t i = 0; i < ours.size(); ++i) {
        largest = std::max(largest, std::fabs(static_cast<double>(theirs[i])));
        error = std::max(error, std::fabs(static_cast<double>(theirs[i]) - factor * ours[i]));
    }
    if (!(error <= same_numbers * largest) || largest == 0) return std::nullopt;
    return factor;
}

// Whether they are the same numbers, one of them put in another order.
bool same_in_order_of_size(std::vector<float> ours, std::vector<float> theirs) {
    std::sort(ours.begin(), ours.end());
    std::sort(theirs.begin(), theirs.end());
    const double largest = static_cast<double>(std::max(std::fabs(ours.front()), std::fabs(ours.back())));
    for (std::size_t i = 0; i < ours.size(); ++i) {
        if (!(std::fabs(static_cast<double>(ours[i]) - theirs[i]) <= same_numbers * largest)) return false;
    }
    return true;
}

class Search {
public:
    Search(const Model& model, const std::vector<int>& tokens, const OtherTrace& other, const DiagnoseOptions& options)
        : model_(model), tokens_(tokens), other_(other), options_(options) {}

    Diagnosis run() {
        Names told;  // the mistakes that the trace's tokens tell of
        if (!other_.tokens.empty() && other_.tokens != tokens_) told.push_back(mistake_of_tokens());
        Pass clean = pass(told, "");
        divergence_ = clean.attempt.first;
        clean.attempt.at_divergence = relative_at_divergence(clean.comparison);
        diagnosis_.clean = clean.attempt;
        diagnosis_.comparison = std::move(clean.comparison);
        diagnosis_.verdict = std::move(clean.verdict);
        if (!divergence_.empty()) relate(clean.kept.tensor(divergence_), other_.record.tensor(divergence_));
        if (!told.empty()) diagnosis_.attempts.push_back(diagnosis_.clean);
        if (!divergence_.empty()) follow({diagnosis_.clean}, told.size() + most_mistakes);
        std::stable_sort(diagnosis_.attempts.begin(), diagnosis_.attempts.end(), explains_more);
        return std::move(diagnosis_);
    }

private:
    std::string mistake_of_tokens() const {
        const std::optional<std::string> name = token_mistake(tokens_, other_.tokens);
        if (!name) {
            const std::size_t both = std::min(tokens_.size(), other_.tokens.size());
            std::size_t place = 0;
            while (place < both && tokens_[place] == other_.tokens[place]) ++place;
            fail(
                "found {} tokens in the trace, others from token {} on, expected the {} of this text: the fault is in "
                "the tokenizer, or this is the trace of another text",
                other_.tokens.size(), place, tokens_.size());
        }
        return *name;
    }

    void relate(const RecordedTensor& ours, const RecordedTensor& theirs) {
        if (ours.numbers.size() != theirs.numbers.size() || is_scores(divergence_)) return;
        diagnosis_.factor = common_factor(ours.numbers, theirs.numbers);
        diagnosis_.reordered = same_in_order_of_size(ours.numbers, theirs.numbers);
    }

    // One more mistake at a time, until the whole trace is explained or nothing explains more.
    void follow(std::vector<Attempt> open, std::size_t most) {
        while (!open.empty() && open.front().mistakes.size() < most) {
            std::vector<Attempt> further;
            for (const Attempt& base : open) {
                for (Attempt& attempt : explaining_more_than(base, most)) further.push_back(std::move(attempt));
            }
            std::stable_sort(further.begin(), further.end(), explains_more);
            if (!further.empty() && further.front().explains()) return;
            further.resize(std::min(further.size(), most_followed));
            open = std::move(further);
        }
    }

    // Passes with one more mistake than `base` that agree where it first differs; if there are none, with two more.
    std::vector<Attempt> explaining_more_than(const Attempt& base, std::size_t most) {
        const Pass so_far = pass(base.mistakes, base.first);
        const RecordedTensor unchanged = so_far.kept.tensor(base.first);
        std::vector<Attempt> found, others;
        for (const Mistake& mistake : known_mistakes()) {
            if (!can_join(base.mistakes, mistake.name)) continue;
            Pass tried = pass(with(base.mistakes, mistake.name), base.first);
            if (takes_away_difference(so_far, tried)) {
                found.push_back(pass(tried.attempt.mistakes, "").attempt);
                diagnosis_.attempts.push_back(found.back());
                continue;
            }
            // A further mistake that explains no more is no news.
            if (base.mistakes == diagnosis_.clean.mistakes) diagnosis_.attempts.push_back(tried.attempt);
            const bool in_question = tried.attempt.first == base.first;  // and not refuted before
            if (in_question && tried.kept.tensor(base.first).numbers != unchanged.numbers) {
                others.push_back(std::move(tried.attempt));
            }
        }
        if (!found.empty() || base.mistakes.size() + 2 > most) return found;
        std::stable_sort(others.begin(), others.end(), explains_more);
        return pairs_of(others, so_far);
    }

    // Pairs of mistakes that each change the tensor in question. After the first pair that explains it only those that
    // share a mistake with it are tried: the others that could take its place.
    std::vector<Attempt> pairs_of(const std::vector<Attempt>& singles, const Pass& so_far) {
        const std::string& last = so_far.attempt.first;
        std::vector<Attempt> found;
        for (std::size_t i = 0; i < singles.size(); ++i) {
            for (std::size_t j = 0; j < i && j < options_.pairs; ++j) {
                const std::string& second = singles[i].mistakes.back();
                const Names mistakes = with(singles[j].mistakes, second);
                if (!can_join(singles[j].mistakes, second)) continue;
                if (!found.empty() && !share(found.front().mistakes, {singles[j].mistakes.back(), second})) continue;
                Pass tried = pass(mistakes, last);
                if (!takes_away_difference(so_far, tried)) continue;
                found.push_back(pass(mistakes, "").attempt);
                diagnosis_.attempts.push_back(found.back());
            }
        }
        return found;
    }

    // Whether a pass with one more mistake gives the numbers at the tensor where the pass before it, which ended there,
    // differs. A difference that it only makes a little less is noise that went the other way.
    bool takes_away_difference(const Pass& before, Pass& tried) const {
        const TensorComparison &a = before.comparison.tensors.back(), &b = tried.comparison.tensors.back();
        const bool most_numbers = other_.precision != DType::float32 || b.within >= 0.99;
        const bool much_less = a.match == Match::other_shape || b.rms <= a.rms / 2;
        if (!tried.attempt.first.empty()) return false;
        if (most_numbers && (much_less || std::isnan(a.rms))) return true;
        tried.attempt.first = b.name;
        tried.attempt.agreeing = tried.comparison.tensors.size() - 1;
        return false;
    }

    // By whose roundings a pass is judged.
    DType precision_with(const Names& mistakes) const {
        const bool rounding = std::any_of(mistakes.begin(), mistakes.end(), rounds);
        return rounding ? coarser(other_.precision, DType::bfloat16) : other_.precision;
    }

    // A pass up to the tensor `last`; "": to the end.
    Pass pass(const Names& mistakes, const std::string& last) {
        if (options_.progress) options_.progress(diagnosis_.passes, mistakes);
        ++diagnosis_.passes;
        Kept kept(other_.record, last);
        try {
            forward_with(mistakes, model_, tokens_, &kept);
        } catch (const Reached&) {
        }
        Pass pass{{}, std::move(kept), {}, {}};
        for (const std::string& name : pass.kept.names()) {
            pass.comparison.tensors.push_back(compare_tensor(name, pass.kept, other_.record, default_tolerance(name)));
        }
        if (pass.comparison.tensors.empty()) fail("the trace has no tensor that a forward pass has");
        pass.verdict = judge(pass.comparison, precision_with(mistakes));
        pass.attempt = attempt(mistakes, last.empty(), pass);
        return pass;
    }

    Attempt attempt(const Names& mistakes, bool whole, const Pass& pass) const {
        const std::vector<TensorComparison>& tensors = pass.comparison.tensors;
        Attempt attempt;
        attempt.mistakes = mistakes;
        attempt.whole = whole;
        attempt.agreeing = pass.verdict.first.value_or(tensors.size());
        if (pass.verdict.first) attempt.first = tensors[*pass.verdict.first].name;
        attempt.at_divergence = relative_at_divergence(pass.comparison);
        for (std::size_t i = 0; i < tensors.size(); ++i) {
            if (i < attempt.agreeing) attempt.largest = std::max(attempt.largest, tensors[i].relative);
            attempt.sum_of_rms += std::isnan(tensors[i].rms) ? infinity : tensors[i].rms;
        }
        return attempt;
    }

    double relative_at_divergence(const Comparison& comparison) const {
        for (const TensorComparison& tensor : comparison.tensors) {
            if (tensor.name != divergence_) continue;
            const bool comparable = tensor.match == Match::same || tensor.match == Match::different;
            return comparable && !std::isnan(tensor.relative) ? tensor.relative : infinity;
        }
        return infinity;
    }

    // Whether a mistake can be made beside others, by the program that made this trace.
    bool can_join(const Names& mistakes, const std::string& name) const {
        if (find_mistake(name).shows_at == "tokens" && !other_.tokens.empty()) return false;
        return std::all_of(mistakes.begin(), mistakes.end(), [&](const std::string& m) { return can_meet(m, name); });
    }

    static Names with(Names mistakes, const std::string& name) {
        mistakes.push_back(name);
        return mistakes;
    }

    static bool share(const Names& a, const Names& b) {
        return std::any_of(b.begin(), b.end(),
                           [&](const std::string& name) { return std::find(a.begin(), a.end(), name) != a.end(); });
    }

    const Model& model_;
    const std::vector<int>& tokens_;
    const OtherTrace& other_;
    const DiagnoseOptions& options_;
    std::string divergence_;  // where the clean pass first differs
    Diagnosis diagnosis_;
};

// The logits that follow the last token, of a pass over the first `count` tokens.
Vector last_logits(const Names& mistakes, const Model& model, const std::vector<int>& tokens, std::size_t count) {
    const std::vector<int> prefix(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(count));
    const Matrix logits = forward_with(mistakes, model, prefix);
    Vector row = Vector::from_shape({logits.shape(1)});
    std::copy_n(&logits(logits.shape(0) - 1, 0), row.size(), row.data());
    return row;
}

// The logits [said, V] that the last `said` tokens were picked by. One pass over the text gives all of them, unless a
// mistake lets tokens see later ones, which were not there when a token was picked: then each takes a pass of its own.
Matrix picking_logits(const Names& mistakes, const Model& model, const std::vector<int>& tokens, std::size_t said) {
    const Matrix all = forward_with(mistakes, model, tokens);
    const std::size_t T = all.shape(0), V = all.shape(1), prompt = tokens.size() - said;
    Matrix logits = Matrix::from_shape({said, V});
    std::copy_n(&all(T - said - 1, 0), logits.size(), logits.data());

    const Vector first = last_logits(mistakes, model, tokens, prompt);
    double largest = 0, difference = 0;
    for (std::size_t v = 0; v < V; ++v) {
        largest = std::max(largest, std::fabs(static_cast<double>(first(v))));
        difference = std::max(difference, std::fabs(static_cast<double>(first(v)) - logits(0, v)));
    }
    if (difference <= 1e-3 * largest) return logits;
    for (std::size_t i = 0; i < said; ++i) {
        const Vector row = last_logits(mistakes, model, tokens, prompt + i);
        std::copy_n(row.data(), V, &logits(i, 0));
    }
    return logits;
}

TextAttempt say(const Names& mistakes, const Model& model, const std::vector<int>& tokens, std::size_t said) {
    const Matrix logits = picking_logits(mistakes, model, tokens, said);
    const std::size_t V = logits.shape(1);
    TextAttempt attempt;
    attempt.mistakes = mistakes;
    for (std::size_t i = 0; i < said; ++i) {
        const float* row = &logits(i, 0);
        const int token = tokens[tokens.size() - said + i];
        attempt.log_probability += row[token] - log_sum_exp(row, V);
        const bool is_likeliest = std::max_element(row, row + V) - row == token;
        if (is_likeliest) ++attempt.likeliest;
        if (!is_likeliest && !attempt.first) attempt.first = i;
    }
    return attempt;
}

bool says_better(const TextAttempt& a, const TextAttempt& b) {
    const auto agreeing = [](const TextAttempt& attempt) {
        return attempt.first.value_or(std::numeric_limits<std::size_t>::max());
    };
    if (agreeing(a) != agreeing(b)) return agreeing(a) > agreeing(b);
    const bool whole = !a.first;  // a text that the model says as it is needs no mistake
    if (whole && a.mistakes.empty() != b.mistakes.empty()) return a.mistakes.empty();
    if (std::isnan(a.log_probability) || std::isnan(b.log_probability)) {
        return std::isnan(b.log_probability) && !std::isnan(a.log_probability);
    }
    return a.log_probability > b.log_probability;
}

}  // namespace

std::vector<Attempt> Diagnosis::explanations() const {
    std::vector<Attempt> list;
    std::copy_if(attempts.begin(), attempts.end(), std::back_inserter(list),
                 [](const Attempt& attempt) { return attempt.explains(); });
    return list;
}

std::optional<std::string> token_mistake(const std::vector<int>& right, const std::vector<int>& found) {
    for (const Mistake& mistake : known_mistakes()) {
        if (mistake.shows_at == "tokens" && mistaken_tokens({mistake.name}, right) == found) return mistake.name;
    }
    return std::nullopt;
}

Diagnosis diagnose(const Model& model, const std::vector<int>& tokens, const OtherTrace& other,
                   const DiagnoseOptions& options) {
    return Search(model, tokens, other, options).run();
}

std::vector<TextAttempt> diagnose_text(const Model& model, const std::vector<int>& tokens, std::size_t prompt_tokens,
                                       const DiagnoseOptions& options) {
    if (prompt_tokens == 0 || prompt_tokens >= tokens.size()) {
        fail("found {} tokens of which {} are the prompt, expected a prompt and a text after it", tokens.size(),
             prompt_tokens);
    }
    std::vector<Names> passes = {{}};
    for (const Mistake& mistake : known_mistakes()) passes.push_back({mistake.name});
    std::vector<TextAttempt> attempts;
    for (const Names& mistakes : passes) {
        if (prompt_tokens == 1 && mistakes == Names{"bos-missing"}) continue;  // a prompt of nothing
        if (options.progress) options.progress(attempts.size(), mistakes);
        attempts.push_back(say(mistakes, model, tokens, tokens.size() - prompt_tokens));
    }
    std::stable_sort(attempts.begin(), attempts.end(), says_better);
    return attempts;
}

}  // namespace gemma
