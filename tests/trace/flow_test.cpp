#include "gemma/trace/flow.hpp"

#include "gemma/trace/names.hpp"
#include "gemma/trace/sizes.hpp"
#include "tests/support/tiny_record.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace gemma;

TEST_CASE("each tensor of a trace has a step, whose inputs come before it in the trace") {
    Recorder recorder;
    record(recorder);
    const std::vector<std::string> names = recorder.names();
    const std::size_t layers = tiny_config().num_hidden_layers;
    for (const std::string& name : names) {
        CAPTURE(name);
        const Step step = step_of(name, layers);
        CHECK_FALSE(step.formula.empty());
        CHECK(step.inputs.empty() == (name == "model.embed_tokens"));
        for (const std::string& input : step.inputs) {
            CAPTURE(input);
            CHECK(std::find(names.begin(), names.end(), input) != names.end());
            CHECK(forward_order(input) < forward_order(name));
        }
    }
    // All of it ends in the logits: each other tensor feeds one.
    for (const std::string& name : names) {
        CAPTURE(name);
        const bool feeds = std::any_of(names.begin(), names.end(), [&](const std::string& other) {
            const std::vector<std::string> inputs = step_of(other, layers).inputs;
            return std::find(inputs.begin(), inputs.end(), name) != inputs.end();
        });
        CHECK(feeds == (name != "lm_head"));
    }
}

TEST_CASE("steps of the first and of a later layer") {
    CHECK(step_of("model.layers.0.residual_attn", 2).inputs ==
          std::vector<std::string>{"model.embed_scaled", "model.layers.0.self_attn.o_proj"});
    CHECK(step_of("model.layers.11.residual_attn", 18).inputs ==
          std::vector<std::string>{"model.layers.10", "model.layers.11.self_attn.o_proj"});
    CHECK(step_of("model.norm.mean_square", 18).inputs == std::vector<std::string>{"model.layers.17"});
    CHECK(step_of("something.else", 2).inputs.empty());
    CHECK(step_of("something.else", 2).formula.empty());
}

TEST_CASE("the shapes that sizes give are those that the model has, and a record tells the sizes") {
    Recorder recorder;
    record(recorder);
    const TraceSizes sizes = sizes_of(tiny_config(), tiny_prompt.size());
    for (const std::string& name : recorder.names()) {
        CAPTURE(name);
        REQUIRE(expected_shape(name, sizes).has_value());
        CHECK(*expected_shape(name, sizes) == recorder.shape(name));
    }
    const TraceSizes told = sizes_of(recorder);
    for (const auto size : {&TraceSizes::T, &TraceSizes::D, &TraceSizes::H, &TraceSizes::K, &TraceSizes::d,
                            &TraceSizes::F, &TraceSizes::V, &TraceSizes::L}) {
        CHECK(told.*size == sizes.*size);
    }
    CHECK_FALSE(expected_shape("something.else", sizes).has_value());
    CHECK_FALSE(expected_shape("model.layers.0.self_attn", sizes).has_value());
    CHECK(*expected_shape("model.layers.0.self_attn.q_proj", {5, 0, 0, 0, 6, 0, 0, 0}) == Shape{5, 0, 6});
}
