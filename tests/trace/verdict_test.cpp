#include "gemma/trace/verdict.hpp"

#include "gemma/trace/trace_file.hpp"
#include "tests/support/contains.hpp"
#include "tests/support/random_tensor.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

using namespace gemma;

namespace {

TraceFile fixture(const std::string& name) { return TraceFile(std::string(GEMMA_FIXTURES) + "/tiny/" + name); }

// A trace file with some of its tensors multiplied.
class Scaled : public Record {
public:
    Scaled(const Record& record, std::map<std::string, float> factors)
        : record_(record), factors_(std::move(factors)) {}

    std::vector<std::string> names() const override { return record_.names(); }
    Shape shape(const std::string& name) const override { return record_.shape(name); }
    TokenRange range() const override { return record_.range(); }
    RecordedTensor tensor(const std::string& name) const override {
        RecordedTensor tensor = record_.tensor(name);
        const auto factor = factors_.find(name);
        if (factor == factors_.end()) return tensor;
        for (float& number : tensor.numbers) number *= factor->second;
        return tensor;
    }

private:
    const Record& record_;
    std::map<std::string, float> factors_;
};

// Some tensors of a record.
class Part : public Record {
public:
    Part(const Record& record, std::vector<std::string> names) : record_(record), names_(std::move(names)) {}

    std::vector<std::string> names() const override { return names_; }
    Shape shape(const std::string& name) const override { return record_.shape(name); }
    TokenRange range() const override { return record_.range(); }
    RecordedTensor tensor(const std::string& name) const override { return record_.tensor(name); }

private:
    const Record& record_;
    std::vector<std::string> names_;
};

const TensorVerdict& verdict_of(const std::string& name, const Comparison& comparison, const Verdict& verdict) {
    std::size_t i = 0;
    while (comparison.tensors.at(i).name != name) ++i;
    return verdict.tensors.at(i);
}

}  // namespace

TEST_CASE("the official model against itself is identical, and against its run in bfloat16 rounding noise") {
    for (const std::string name : {"bfloat16", "six_layers"}) {
        CAPTURE(name);
        const TraceFile exact = fixture(name + "/expected.safetensors");
        const TraceFile rounded = fixture(name + "/expected_bfloat16.safetensors");

        const Comparison with_itself = compare(exact, exact);
        const Verdict same = judge(with_itself, DType::float32);
        CHECK(same.same());
        CHECK(same.count(Judgement::identical) == exact.names().size());
        CHECK(explain(with_itself, same) == "the same: every tensor in both is identical");

        const Comparison comparison = compare(exact, rounded);
        CHECK(judge(comparison, DType::bfloat16).same());
        CHECK(contains(explain(comparison, judge(comparison, DType::bfloat16)), "rounding noise of bfloat16"));
        CHECK_FALSE(judge(comparison, DType::float32).same());         // no noise of float32,
        CHECK_FALSE(judge(comparison, DType::float16).same());         // nor of float16,
        CHECK_FALSE(judge(comparison, DType::bfloat16, true).same());  // and over the tolerance
    }
}

TEST_CASE("in bfloat16 a step that is off by more than its inputs explain is named, and what follows is not") {
    const TraceFile exact = fixture("six_layers/expected.safetensors");
    const TraceFile rounded = fixture("six_layers/expected_bfloat16.safetensors");
    const std::string act = "model.layers.4.mlp.act_fn", gated = "model.layers.4.mlp.gated";
    const Scaled wrong(rounded, {{act, 1.3f}, {gated, 1.3f}});
    const Comparison comparison = compare(exact, wrong);
    const Verdict verdict = judge(comparison, DType::bfloat16);
    REQUIRE(verdict.first.has_value());
    CHECK(comparison.tensors[*verdict.first].name == act);
    CHECK(verdict_of(act, comparison, verdict).own_fault);
    CHECK(verdict_of(act, comparison, verdict).inputs == std::vector<std::string>{"model.layers.4.mlp.gate_proj"});
    CHECK(verdict_of(gated, comparison, verdict).judgement == Judgement::different);
    CHECK_FALSE(verdict_of(gated, comparison, verdict).own_fault);
    CHECK(explain(comparison, verdict) ==
          "its input agrees (model.layers.4.mlp.gate_proj), its output does not, so the fault is in this step: "
          "model.layers.4.mlp.act_fn (GELU, tanh form, of the gate)");
}

TEST_CASE("in float32 the tolerance decides") {
    const TraceFile exact = fixture("two_kv_heads/expected.safetensors");
    const std::string name = "model.layers.1.self_attn.q_proj";
    CHECK(judge(compare(exact, Scaled(exact, {{name, 1 + 9e-6f}})), DType::float32).same());
    CHECK_FALSE(judge(compare(exact, Scaled(exact, {{name, 1 + 1.1e-5f}})), DType::float32).same());
    CHECK(judge(compare(exact, Scaled(exact, {{name, 1 + 9e-6f}})), DType::float32).count(Judgement::rounding_noise) ==
          1);
}

TEST_CASE("where tensors between are missing, the fault is in one of them or in the step") {
    const TraceFile exact = fixture("two_kv_heads/expected.safetensors");
    const Part few(exact, {"model.embed_scaled", "model.layers.0", "model.norm"});
    const Scaled wrong(few, {{"model.layers.0", 1.5f}});
    const Comparison comparison = compare(exact, wrong);
    const Verdict verdict = judge(comparison, DType::float32);
    REQUIRE(verdict.first.has_value());
    const TensorVerdict& layer = verdict.tensors[*verdict.first];
    CHECK(layer.inputs == std::vector<std::string>{"model.embed_scaled"});
    CHECK(layer.between.size() == 21);  // all parts of a layer but its output
    CHECK(contains(explain(comparison, verdict), "in this step or in one that was not compared"));
    CHECK(verdict.count(Judgement::not_compared) == exact.names().size() - 3);
}

TEST_CASE("nothing comes before the embedding") {
    const TraceFile exact = fixture("two_kv_heads/expected.safetensors");
    const Comparison comparison = compare(exact, Scaled(exact, {{"model.embed_tokens", 2.0f}}));
    CHECK(contains(explain(comparison, judge(comparison, DType::float32)),
                   "nothing comes before it, so the fault is in this step: model.embed_tokens"));
}

TEST_CASE("one rounding alone stays within what is explained, four times that does not") {
    // Numbers from 1 to 2 whose logarithms are spread evenly, rounded to bfloat16: their relative rms error is 1.53e-3.
    const Vector exponents = random_vector(20000, 3);
    double squares = 0, errors = 0;
    for (const float number : exponents) {
        const float mantissa = std::exp2((number + 1) / 2);  // from 1 to 2
        const float rounded = bfloat16_to_float(float_to_bfloat16(mantissa));
        squares += static_cast<double>(mantissa) * mantissa;
        errors += std::pow(static_cast<double>(rounded) - mantissa, 2);
    }
    const double measured = std::sqrt(errors / squares);
    const TraceFile exact = fixture("two_kv_heads/expected.safetensors");
    const Comparison comparison = compare(exact, exact);
    const Verdict verdict = judge(comparison, DType::bfloat16);
    CHECK(verdict_of("model.embed_tokens", comparison, verdict).explained ==
          doctest::Approx(3 * measured).epsilon(0.02));

    const auto embedding_off_by = [&](float factor) {
        return judge(compare(exact, Scaled(exact, {{"model.embed_tokens", factor}})), DType::bfloat16).same();
    };
    CHECK(embedding_off_by(1 + static_cast<float>(2 * measured)));
    CHECK_FALSE(embedding_off_by(1 + static_cast<float>(4 * measured)));
}

TEST_CASE("the precision is what the header says, or what the numbers are") {
    const TraceFile exact = fixture("bfloat16/expected.safetensors");
    const TraceFile rounded = fixture("bfloat16/expected_bfloat16.safetensors");
    CHECK(precision_of(exact, "float16") == DType::float16);
    CHECK(precision_of(exact) == DType::float32);
    CHECK(precision_of(rounded) == DType::bfloat16);
    CHECK(precision_of(Part(exact, {"model.embed_tokens"})) == DType::float32);  // bfloat16 weights tell nothing
    CHECK(coarser(DType::float32, DType::bfloat16) == DType::bfloat16);
    CHECK(coarser(DType::bfloat16, DType::float16) == DType::bfloat16);
}
