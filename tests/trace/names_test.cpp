#include "gemma/trace/names.hpp"

#include "gemma/trace/trace.hpp"
#include "tests/support/tiny_model.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace gemma;

namespace {

class Names : public Observer {
public:
    void observe(const std::string& name, const TensorView&) override { list.push_back(name); }
    std::vector<std::string> list;
};

std::vector<std::string> sorted(std::vector<std::string> names) {
    sort_in_forward_order(names);
    return names;
}

}  // namespace

TEST_CASE("names sort into the order in which the model shows its tensors") {
    Config config = tiny_config();
    config.num_hidden_layers = 12;  // sorted as text, layer 10 would come before layer 2
    Names names;
    KVCache cache(config, 2);
    tiny_model(config, 1).forward({2, 5}, cache, Trace(names));
    REQUIRE(names.list.size() == 2 + 12 * 22 + 3 + 1);

    std::vector<std::string> shuffled = names.list;
    std::sort(shuffled.begin(), shuffled.end());
    CHECK(shuffled != names.list);
    CHECK(sorted(shuffled) == names.list);
}

TEST_CASE("names that are not in the table come last, and those of a layer before its output") {
    const std::vector<std::string> expected = {"model.embed_tokens",
                                               "model.layers.0.self_attn.q_proj",
                                               "model.layers.0.something.else",
                                               "model.layers.0",
                                               "model.layers.1.input_layernorm",
                                               "model.norm",
                                               "lm_head",
                                               "a",
                                               "model.layers",
                                               "model.layers.x.mlp.gated",
                                               "model.layers.3x"};
    std::vector<std::string> reversed(expected.rbegin(), expected.rend());
    std::vector<std::string> with_unknown_sorted = expected;
    std::sort(with_unknown_sorted.begin() + 7, with_unknown_sorted.end());
    CHECK(sorted(reversed) == with_unknown_sorted);
}

TEST_CASE("the token axis is the first, and the second of scores and probs") {
    CHECK(token_axis("model.layers.0.self_attn.scores", {4, 5, 5}) == 1);
    CHECK(token_axis("model.layers.0.self_attn.probs", {4, 5, 5}) == 1);
    CHECK(token_axis("probs", {4, 5, 5}) == 1);
    CHECK(token_axis("probs", {5, 5}) == 0);
    CHECK(token_axis("model.layers.0.self_attn.context", {5, 4, 6}) == 0);
    CHECK(token_axis("model.layers.0.self_attn.scores.of", {4, 5, 5}) == 0);
    CHECK(is_scores("model.layers.0.self_attn.scores"));
    CHECK_FALSE(is_scores("model.layers.0.self_attn.probs"));
    CHECK_FALSE(is_scores("highscores"));
}

TEST_CASE("patterns: * is any text, dots included, and ? one character") {
    CHECK(matches("model.layers.0.mlp.gated", "model.layers.0.*"));
    CHECK(matches("model.layers.0.mlp.gated", "*gated"));
    CHECK(matches("model.layers.0.mlp.gated", "*"));
    CHECK(matches("model.layers.0", "model.layers.?"));
    CHECK_FALSE(matches("model.layers.10", "model.layers.?"));
    CHECK_FALSE(matches("model.layers.0", "model.layers.0.*"));
    CHECK_FALSE(matches("model.layers.0.mlp.gated", "gated"));
}

TEST_CASE("names inside a layer") {
    REQUIRE(layer_name("model.layers.10.mlp.gated"));
    CHECK(layer_name("model.layers.10.mlp.gated")->layer == 10);
    CHECK(layer_name("model.layers.10.mlp.gated")->part == "mlp.gated");
    CHECK(layer_name("model.layers.3")->part == "");
    for (const char* name : {"model.layers", "model.layers.", "model.layers.x", "model.layers.3x", "model.norm", ""}) {
        CHECK_FALSE(layer_name(name));
    }
}
