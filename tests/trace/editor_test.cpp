#include "gemma/trace/editor.hpp"

#include "gemma/model/model.hpp"
#include "tests/support/error_message.hpp"
#include "tests/support/recording.hpp"
#include "tests/support/tiny_model.hpp"

#include <doctest/doctest.h>

#include <numeric>

using namespace gemma;

namespace {

// 0, 1, 2, … in a shape, after an edit.
std::vector<float> edited(const std::string& name, const Shape& shape, const Edit& edit) {
    std::vector<float> numbers(element_count(shape));
    std::iota(numbers.begin(), numbers.end(), 0.0f);
    Editor editor({edit});
    editor.observe(name, {numbers.data(), shape});
    return numbers;
}

Edit zero(std::string name) { return Edit{std::move(name)}; }

Recording pass(const Model& model, const std::vector<std::vector<int>>& calls, std::vector<Edit> edits) {
    Recording recording;
    Editor editor(std::move(edits), &recording);
    KVCache cache(model.config(), 16);
    for (const auto& tokens : calls) model.forward(tokens, cache, Trace(editor));
    return recording;
}

}  // namespace

TEST_CASE("An edit changes the head, token and number that it names, and no other") {
    Edit edit = zero("q_proj");
    edit.head = 1;
    CHECK(edited("q_proj", {2, 2, 2}, edit) == std::vector<float>{0, 1, 0, 0, 4, 5, 0, 0});
    edit.token = 1;
    CHECK(edited("q_proj", {2, 2, 2}, edit) == std::vector<float>{0, 1, 2, 3, 4, 5, 0, 0});
    edit.number = 0;
    CHECK(edited("q_proj", {2, 2, 2}, edit) == std::vector<float>{0, 1, 2, 3, 4, 5, 0, 7});
}

TEST_CASE("Scores and probs have their heads first") {
    Edit edit = zero("*.probs");
    edit.head = 1;
    edit.token = 0;
    CHECK(edited("model.layers.0.self_attn.probs", {2, 2, 2}, edit) == std::vector<float>{0, 1, 2, 3, 0, 0, 6, 7});
}

TEST_CASE("A number becomes number · factor + offset") {
    Edit edit = zero("x");
    edit.factor = 2;
    edit.offset = -1;
    CHECK(edited("x", {2, 2}, edit) == std::vector<float>{-1, 1, 3, 5});
    CHECK(edited("x", {3}, edit) == std::vector<float>{-1, 1, 3});
    CHECK(edited("other", {3}, edit) == std::vector<float>{0, 1, 2});
}

TEST_CASE("A head or number that is not there is named") {
    Edit head = zero("q_proj");
    head.head = 2;
    CHECK(error_message([&] {
              edited("q_proj", {1, 2, 2}, head);
          }) == "an edit of q_proj: found head 2, expected less than 2");
    Edit number = zero("x");
    number.number = 9;
    CHECK(error_message([&] { edited("x", {1, 4}, number); }) == "an edit of x: found number 9, expected less than 4");
}

TEST_CASE("A patch puts its numbers in the place of those of its tokens") {
    Edit patch = zero("q_proj");
    auto two_tokens = std::make_shared<Patch>();
    two_tokens->tensor = {{2, 2, 2}, {10, 11, 12, 13, 14, 15, 16, 17}};
    patch.patch = two_tokens;
    CHECK(edited("q_proj", {2, 2, 2}, patch) == std::vector<float>{10, 11, 12, 13, 14, 15, 16, 17});
    patch.head = 1;
    patch.token = 1;
    CHECK(edited("q_proj", {2, 2, 2}, patch) == std::vector<float>{0, 1, 2, 3, 4, 5, 16, 17});

    // Its first row is token 1: token 0 and tokens behind it stay.
    auto later = std::make_shared<Patch>(Patch{{{1, 2}, {10, 11}}, 1});
    Edit of_rows = zero("x");
    of_rows.patch = later;
    CHECK(edited("x", {3, 2}, of_rows) == std::vector<float>{0, 1, 10, 11, 4, 5});
    auto other = std::make_shared<Patch>(Patch{{{3, 1}, {10, 11, 12}}, 0});
    of_rows.patch = other;
    CHECK(error_message([&] {
              edited("x", {3, 2}, of_rows);
          }) == "a patch: found x [3, 1], expected [3, 2], but for the number of tokens");
}

TEST_CASE("A patch of probs with fewer or more tokens: what a token sees is there") {
    const std::string name = "model.layers.0.self_attn.probs";
    Edit patch = zero(name);
    patch.token = 1;
    patch.patch = std::make_shared<Patch>(Patch{{{1, 2, 2}, {10, 11, 12, 13}}, 0});
    CHECK(edited(name, {1, 3, 3}, patch) == std::vector<float>{0, 1, 2, 12, 13, 5, 6, 7, 8});
    patch.patch = std::make_shared<Patch>(Patch{{{1, 3, 3}, {10, 11, 12, 13, 14, 15, 16, 17, 18}}, 0});
    CHECK(edited(name, {1, 2, 2}, patch) == std::vector<float>{0, 1, 13, 14});
}

TEST_CASE("Edits whose name no tensor had are told") {
    Editor editor({zero("model.norm"), zero("model.nrom")});
    float number = 1;
    editor.observe("model.norm", {&number, {1}});
    REQUIRE(editor.unused().size() == 1);
    CHECK(editor.unused()[0].name == "model.nrom");
}

TEST_CASE("Without one head, only what follows changes, and attention's output loses what that head gave") {
    const Model model = tiny_model(tiny_config(), 7);
    const std::vector<int> tokens = {2, 7, 9, 30, 4};
    Edit ablation = zero("model.layers.1.self_attn.context");
    ablation.head = 2;
    const Recording whole = pass(model, {tokens}, {}), without = pass(model, {tokens}, {ablation});

    std::size_t changed = 0;
    for (const auto& record : whole.records) {
        const std::string& name = record.first;
        const bool same = record.second[0].values == without.records.at(name)[0].values;
        const bool before =
            name.find("layers.0") != name.npos || name.find("embed") != name.npos ||
            name.find("layers.1.input") != name.npos || name.find("layers.1.self_attn.k") != name.npos ||
            name.find("layers.1.self_attn.q") != name.npos || name.find("layers.1.self_attn.v") != name.npos ||
            name.find("scores") != name.npos || name.find("probs") != name.npos;
        const bool later_layer = name.find("layers.2") != name.npos;
        CAPTURE(name);
        if (before && !later_layer) CHECK(same);
        if (name == "lm_head" || name == "model.layers.1.self_attn.o_proj") CHECK(!same);
        changed += same ? 0 : 1;
    }
    CHECK(changed > 0);

    // o_proj is linear: what is missing is the product of that head's columns.
    const Config config = model.config();
    const std::size_t T = tokens.size(), H = config.num_attention_heads, d = config.head_dim, D = config.hidden_size;
    Matrix lost = Matrix::from_shape({T, H * d});
    lost.fill(0);
    const auto& context = whole.records.at("model.layers.1.self_attn.context")[0].values;
    for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t i = 2 * d; i < 3 * d; ++i) lost(t, i) = context[t * H * d + i];
    }
    const Matrix gave = linear(lost, model.weights().layers[1].self_attn.o_proj);
    for (std::size_t i = 0; i < T * D; ++i) {
        const float with = whole.records.at("model.layers.1.self_attn.o_proj")[0].values[i];
        const float missing = without.records.at("model.layers.1.self_attn.o_proj")[0].values[i];
        CHECK(with - missing == doctest::Approx(gave.data()[i]).epsilon(1e-4));
    }
}

TEST_CASE("Tokens of an edit are counted over the whole run: cached decoding and one pass are edited alike") {
    const Model model = tiny_model(tiny_config(), 8);
    Edit edit = zero("model.layers.0.mlp.gated");
    edit.token = 3;
    const Recording whole = pass(model, {{2, 7, 9, 30, 4}}, {edit});
    const Recording cached = pass(model, {{2, 7}, {9}, {30}, {4}}, {edit});
    const auto& logits = whole.records.at("lm_head")[0].values;
    const auto& last = cached.records.at("lm_head").back().values;
    const std::size_t V = model.config().vocab_size;
    for (std::size_t i = 0; i < V; ++i) CHECK(last[i] == doctest::Approx(logits[4 * V + i]).epsilon(1e-4));
    CHECK(whole.records.at("lm_head")[0].values != pass(model, {{2, 7, 9, 30, 4}}, {}).records.at("lm_head")[0].values);
}
