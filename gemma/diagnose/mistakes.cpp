#include "gemma/diagnose/mistakes.hpp"

#include "gemma/diagnose/edits.hpp"
#include "gemma/error.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace gemma {

namespace {

const std::vector<KnownMistake>& all_mistakes() {
    static const std::vector<KnownMistake> all = [] {
        std::vector<KnownMistake> list;
        for (const auto part :
             {embedding_mistakes, norm_mistakes, rope_mistakes, attention_mistakes, mlp_mistakes, output_mistakes}) {
            std::vector<KnownMistake> mistakes = part();
            std::move(mistakes.begin(), mistakes.end(), std::back_inserter(list));
        }
        return list;
    }();
    return all;
}

const KnownMistake& find(const std::string& name) {
    const std::vector<KnownMistake>& all = all_mistakes();
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const KnownMistake& known) { return known.mistake.name == name; });
    if (found == all.end()) fail("found no mistake \"{}\", expected one of the list of known mistakes", name);
    return *found;
}

// The norm computes in float32 and rounds its result; all other tensors of a bfloat16 pass are bfloat16.
bool is_rounded(const std::string& step) { return step != "norm.mean_square" && step != "norm.normalized"; }

// Edits each tensor as the mistakes ask, remembers it, and shows it to the watcher.
class MistakenPass : public Observer {
public:
    MistakenPass(const std::vector<std::string>& mistakes, const Model& model, Observer* watcher)
        : seen_(model), watcher_(watcher) {
        for (const std::string& name : mistakes) {
            const Edits& edits = find(name).edits;
            edits_.insert(edits_.end(), edits.begin(), edits.end());
        }
        // What adjusts numbers comes after what computes them.
        std::stable_sort(edits_.begin(), edits_.end(),
                         [](const StepEdit& a, const StepEdit& b) { return a.kind < b.kind; });
    }

    void observe(const std::string& name, const TensorView& tensor) override {
        seen_.enter(name);
        for (const StepEdit& edit : edits_) {
            if (edit.at != seen_.step() && edit.at != name) continue;
            edit.apply(seen_, tensor);
            if (is_rounded(seen_.step())) round_to(seen_.precision(), tensor.data, tensor.size());
        }
        seen_.keep(tensor);
        if (watcher_ != nullptr) watcher_->observe(name, tensor);
    }

private:
    Seen seen_;
    Edits edits_;
    Observer* watcher_;
};

}  // namespace

const std::vector<Mistake>& known_mistakes() {
    static const std::vector<Mistake> list = [] {
        std::vector<Mistake> mistakes;
        for (const KnownMistake& known : all_mistakes()) mistakes.push_back(known.mistake);
        return mistakes;
    }();
    return list;
}

bool rounds(const std::string& name) { return find(name).rounds; }

const Mistake& find_mistake(const std::string& name) { return find(name).mistake; }

std::vector<int> mistaken_tokens(const std::vector<std::string>& mistakes, std::vector<int> tokens) {
    for (const std::string& name : mistakes) {
        if (const auto& change = find(name).tokens) tokens = change(std::move(tokens));
    }
    return tokens;
}

bool can_meet(const std::string& mistake, const std::string& other) {
    const KnownMistake &a = find(mistake), &b = find(other);
    if (mistake == other || (a.tokens && b.tokens)) return false;
    for (const StepEdit& edit : a.edits) {
        for (const StepEdit& second : b.edits) {
            if (edit.at == second.at && edit.kind == StepEdit::computes && second.kind == StepEdit::computes)
                return false;
        }
    }
    return true;
}

Matrix forward_with(const std::vector<std::string>& mistakes, const Model& model, const std::vector<int>& tokens,
                    Observer* watcher) {
    const std::vector<int> mistaken = mistaken_tokens(mistakes, tokens);
    KVCache cache(model.config(), mistaken.size(), model.precision());
    MistakenPass pass(mistakes, model, watcher);
    return model.forward(mistaken, cache, Trace(pass));
}

}  // namespace gemma
