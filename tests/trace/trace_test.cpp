#include "gemma/trace/trace.hpp"

#include "gemma/trace/recorder.hpp"
#include "tests/support/tiny_model.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace gemma;

namespace {

// Sets one head of a tensor to zero, then hands it on.
class AblatedHead : public Observer {
public:
    AblatedHead(std::string name, std::size_t head, Observer& next)
        : name_(std::move(name)), head_(head), next_(next) {}

    void observe(const std::string& name, const TensorView& tensor) override {
        if (name == name_) {
            const bool heads_first = name.find("probs") != std::string::npos;  // [H, T, S], else [T, H, d]
            const Shape& shape = tensor.shape;
            for (std::size_t i = 0; i < tensor.size(); ++i) {
                const std::size_t head = heads_first ? i / (shape[1] * shape[2]) : i / shape[2] % shape[1];
                if (head == head_) tensor.data[i] = 0.0f;
            }
        }
        next_.observe(name, tensor);
    }

private:
    std::string name_;
    std::size_t head_;
    Observer& next_;
};

void forward(const Model& model, Observer& observer) {
    KVCache cache(model.config(), tiny_prompt.size());
    model.forward(tiny_prompt, cache, Trace(observer));
}

// Whether the records are the same bit for bit.
bool same_bits(const Record& a, const Record& b, const std::string& name) {
    return a.shape(name) == b.shape(name) && a.tensor(name).numbers == b.tensor(name).numbers;
}

}  // namespace

TEST_CASE("scopes put names together, and a trace that is off shows nothing") {
    class Names : public Observer {
    public:
        void observe(const std::string& name, const TensorView& tensor) override {
            list.push_back(name + " " + to_string(tensor.shape));
        }
        std::vector<std::string> list;
    } names;
    Vector vector = Vector::from_shape({3});
    Matrix matrix = Matrix::from_shape({2, 3});
    const Trace trace(names);
    trace("plain", vector);
    trace.scope("model").scope("layers", 3)("mean_square", vector);
    trace.scope("model").scope("layers", 12)(matrix);
    CHECK(names.list ==
          std::vector<std::string>{"plain [3]", "model.layers.3.mean_square [3]", "model.layers.12 [2, 3]"});

    const Trace off;
    CHECK_FALSE(off.on());
    CHECK_FALSE(off.scope("model").scope("layers", 1).on());
    off.scope("model")("x", vector);
}

TEST_CASE("watching changes nothing") {
    const Model model = tiny_model(tiny_config(), 3);
    Recorder recorder;
    KVCache watched_cache(model.config(), tiny_prompt.size()), cache(model.config(), tiny_prompt.size());
    const Matrix watched = model.forward(tiny_prompt, watched_cache, Trace(recorder));
    const Matrix unwatched = model.forward(tiny_prompt, cache);
    CHECK(std::equal(watched.begin(), watched.end(), unwatched.begin()));
}

TEST_CASE("a head that is zeroed in place changes what follows, and nothing before it") {
    const Model model = tiny_model(tiny_config(), 3);
    Recorder whole;
    forward(model, whole);
    const std::size_t head = 2, T = tiny_prompt.size(), H = model.config().num_attention_heads,
                      d = model.config().head_dim;

    for (const std::string part : {"probs", "context"}) {
        CAPTURE(part);
        const std::string edited = "model.layers.1.self_attn." + part;
        Recorder ablated;
        AblatedHead observer(edited, head, ablated);
        forward(model, observer);

        bool before = true;
        for (const std::string& name : whole.names()) {
            CAPTURE(name);
            if (name == edited) before = false;
            CHECK(same_bits(whole, ablated, name) == before);
        }

        // The context of that head is nothing, and that of the others what it was.
        const std::vector<float> context = whole.tensor("model.layers.1.self_attn.context").numbers;
        const std::vector<float> left = ablated.tensor("model.layers.1.self_attn.context").numbers;
        for (std::size_t i = 0; i < T * H * d; ++i) CHECK(left[i] == (i / d % H == head ? 0.0f : context[i]));
    }
}
