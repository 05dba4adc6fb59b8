#include "gemma/trace/recorder.hpp"

#include "gemma/error.hpp"
#include "gemma/trace/compare.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/tiny_model.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

using namespace gemma;

namespace {

const std::vector<int> seven_tokens = {2, 17, 5, 88, 41, 9, 110};

const Model& model() {
    static const Model model = tiny_model(tiny_config(), 7);
    return model;
}

// Reads the tokens in calls of these sizes.
void forward(Recorder& recorder, const std::vector<std::size_t>& sizes = {seven_tokens.size()}) {
    KVCache cache(model().config(), seven_tokens.size());
    auto next = seven_tokens.begin();
    for (const std::size_t size : sizes) {
        const auto end = next + static_cast<std::ptrdiff_t>(size);
        model().forward({next, end}, cache, Trace(recorder));
        next = end;
    }
}

void check_same_bits(const Record& a, const Record& b) {
    REQUIRE(a.names() == b.names());
    for (const std::string& name : a.names()) {
        CAPTURE(name);
        CHECK(a.shape(name) == b.shape(name));
        CHECK(a.tensor(name).shape == b.shape(name));
        CHECK(a.tensor(name).numbers == b.tensor(name).numbers);
    }
}

// What a recorder with this range is to keep, cut out of the whole record.
RecordedTensor cut(const RecordedTensor& whole, std::size_t axis, const TokenRange& range) {
    RecordedTensor part{whole.shape, {}};
    part.shape[axis] = range.end - range.begin;
    std::size_t row = 1;
    for (std::size_t i = axis + 1; i < whole.shape.size(); ++i) row *= whole.shape[i];
    for (std::size_t i = 0; i < whole.numbers.size(); ++i) {
        const std::size_t t = i / row % whole.shape[axis];
        if (t >= range.begin && t < range.end) part.numbers.push_back(whole.numbers[i]);
    }
    return part;
}

class AnyTensor {
public:
    explicit AnyTensor(Shape shape, float first = 0) : numbers(element_count(shape)), view{numbers.data(), shape} {
        for (float& number : numbers) number = first++;
    }
    std::vector<float> numbers;
    TensorView view;
};

}  // namespace

TEST_CASE("a pass is recorded under the names and shapes of the table") {
    Recorder recorder;
    forward(recorder);
    const Config& c = model().config();
    const std::size_t T = seven_tokens.size(), D = c.hidden_size, F = c.intermediate_size, H = c.num_attention_heads,
                      K = c.num_key_value_heads, d = c.head_dim;
    CHECK(recorder.names().size() == 2 + 3 * 22 + 3 + 1);
    CHECK(recorder.names().front() == "model.embed_tokens");
    CHECK(recorder.names().back() == "lm_head");
    const std::vector<std::pair<std::string, Shape>> expected = {
        {"model.embed_tokens", {T, D}},
        {"model.embed_scaled", {T, D}},
        {"model.layers.2.input_layernorm.mean_square", {T}},
        {"model.layers.2.input_layernorm.normalized", {T, D}},
        {"model.layers.2.input_layernorm", {T, D}},
        {"model.layers.2.self_attn.q_proj", {T, H, d}},
        {"model.layers.2.self_attn.k_proj", {T, K, d}},
        {"model.layers.2.self_attn.v_proj", {T, K, d}},
        {"model.layers.2.self_attn.q_rope", {T, H, d}},
        {"model.layers.2.self_attn.k_rope", {T, K, d}},
        {"model.layers.2.self_attn.scores", {H, T, T}},
        {"model.layers.2.self_attn.probs", {H, T, T}},
        {"model.layers.2.self_attn.context", {T, H, d}},
        {"model.layers.2.self_attn.o_proj", {T, D}},
        {"model.layers.2.residual_attn", {T, D}},
        {"model.layers.2.post_attention_layernorm.mean_square", {T}},
        {"model.layers.2.post_attention_layernorm", {T, D}},
        {"model.layers.2.mlp.gate_proj", {T, F}},
        {"model.layers.2.mlp.act_fn", {T, F}},
        {"model.layers.2.mlp.up_proj", {T, F}},
        {"model.layers.2.mlp.gated", {T, F}},
        {"model.layers.2.mlp.down_proj", {T, D}},
        {"model.layers.2", {T, D}},
        {"model.norm", {T, D}},
        {"lm_head", {T, c.vocab_size}},
    };
    for (const auto& one : expected) {
        CAPTURE(one.first);
        CHECK(recorder.shape(one.first) == one.second);
    }
}

TEST_CASE("the record of several calls is that of one") {
    Recorder whole;
    forward(whole);
    for (const std::vector<std::size_t>& sizes :
         {std::vector<std::size_t>{1, 1, 1, 1, 1, 1, 1}, {3, 4}, {4, 1, 1, 1}}) {
        Recorder pieces;
        forward(pieces, sizes);
        REQUIRE(pieces.names() == whole.names());
        for (const std::string& name : whole.names()) CHECK(pieces.shape(name) == whole.shape(name));
        const Comparison comparison = compare(whole, pieces);
        CHECK(comparison.first_divergence() == nullptr);
        CHECK(comparison.count(Match::same) == whole.names().size());
    }
}

TEST_CASE("rows of earlier calls have zeros for later tokens") {
    Recorder recorder;
    forward(recorder, {3, 4});
    for (const std::string name : {"model.layers.1.self_attn.scores", "model.layers.1.self_attn.probs"}) {
        const RecordedTensor tensor = recorder.tensor(name);
        REQUIRE(tensor.shape == Shape{4, 7, 7});
        for (std::size_t i = 0; i < tensor.numbers.size(); ++i) {
            const std::size_t t = i / 7 % 7, s = i % 7;
            if (t < 3 && s >= 3) CHECK(tensor.numbers[i] == 0.0f);
            if (s <= t) CHECK(tensor.numbers[i] != 0.0f);
        }
    }
}

TEST_CASE("numbers that waited on disk are those in memory, and no file is to be seen") {
    const TemporaryDirectory directory;
    for (const std::vector<std::size_t>& sizes : {std::vector<std::size_t>{7}, {3, 1, 3}}) {
        for (const TokenRange& range : {TokenRange{}, TokenRange{2, 5}}) {
            Recorder in_memory({{}, range, {}});
            Recorder on_disk({{}, range, directory / "trace.safetensors"});
            forward(in_memory, sizes);
            forward(on_disk, sizes);
            CHECK(directory.entries() == 0);
            check_same_bits(in_memory, on_disk);
        }
    }
}

TEST_CASE("a range keeps the rows of these tokens, in whichever calls they come") {
    Recorder whole;
    forward(whole);
    Recorder in_pieces;
    forward(in_pieces, {3, 1, 3});
    for (const TokenRange range : {TokenRange{0, 1}, TokenRange{2, 5}, TokenRange{6, 7}, TokenRange{0, 7}}) {
        for (const bool one_call : {true, false}) {
            CAPTURE(range.begin);
            CAPTURE(one_call);
            Recorder part({{}, range, {}});
            forward(part, one_call ? std::vector<std::size_t>{7} : std::vector<std::size_t>{3, 1, 3});
            const Recorder& all = one_call ? whole : in_pieces;
            REQUIRE(part.names() == all.names());
            for (const std::string& name : all.names()) {
                CAPTURE(name);
                const bool heads_first =
                    name.find(".scores") != std::string::npos || name.find(".probs") != std::string::npos;
                const RecordedTensor expected = cut(all.tensor(name), heads_first ? 1 : 0, range);
                const RecordedTensor tensor = part.tensor(name);
                CHECK(tensor.shape == expected.shape);
                CHECK(tensor.numbers == expected.numbers);
            }
        }
    }
}

TEST_CASE("a range that comes before later calls keeps all columns of scores") {
    Recorder part({{"*.scores"}, {0, 2}, {}});
    forward(part, {3, 1, 3});
    CHECK(part.shape("model.layers.0.self_attn.scores") == Shape{4, 2, 7});
}

TEST_CASE("the logits of the last token alone count as the last token's") {
    const auto run = [](Recorder& recorder) {
        KVCache cache(model().config(), seven_tokens.size());
        model().forward_last({2, 17, 5}, cache, Trace(recorder));
        model().forward_last({88}, cache, Trace(recorder));
    };
    Recorder all, first({{}, {0, 2}, {}}), last({{}, {3, 4}, {}});
    run(all);
    run(first);
    run(last);
    const std::size_t V = model().config().vocab_size;
    CHECK(all.shape("lm_head") == Shape{2, V});
    CHECK(all.shape("model.norm")[0] == 4);
    CHECK(first.names().back() == "model.norm");
    CHECK(last.shape("lm_head") == Shape{1, V});
    const std::vector<float> both = all.tensor("lm_head").numbers;
    CHECK(last.tensor("lm_head").numbers ==
          std::vector<float>(both.begin() + static_cast<std::ptrdiff_t>(V), both.end()));
}

TEST_CASE("only names that fit a pattern are kept") {
    Recorder recorder({{"model.layers.1.*.?_proj", "lm_*"}, {}, {}});
    forward(recorder);
    CHECK(recorder.names() ==
          std::vector<std::string>{"model.layers.1.self_attn.q_proj", "model.layers.1.self_attn.k_proj",
                                   "model.layers.1.self_attn.v_proj", "model.layers.1.self_attn.o_proj", "lm_head"});
}

TEST_CASE("a tensor is copied when it is seen") {
    Recorder recorder;
    AnyTensor tensor({2, 3});
    recorder.observe("x", tensor.view);
    tensor.numbers.assign(6, 9.0f);
    CHECK(recorder.tensor("x").numbers == std::vector<float>{0, 1, 2, 3, 4, 5});
}

TEST_CASE("rows that cannot follow, and names that did not come, are errors") {
    Recorder recorder;
    recorder.observe("x", AnyTensor({2, 3}).view);
    CHECK(message_of<Error>([&] {
              recorder.observe("x", AnyTensor({2, 4}).view);
          }) == "x: found shape [2, 4] after [2, 3], expected rows that can follow");
    CHECK(message_of<Error>([&] { recorder.observe("x", AnyTensor({2, 3, 1}).view); }) != "");
    recorder.observe("a.probs", AnyTensor({2, 3, 3}).view);
    CHECK(message_of<Error>([&] { recorder.observe("a.probs", AnyTensor({2, 1, 2}).view); }) != "");
    CHECK(message_of<Error>([&] { recorder.tensor("y"); }) == "y: no tensor of this name was recorded");
    CHECK(message_of<Error>([&] { recorder.shape("y"); }) == "y: no tensor of this name was recorded");
}

TEST_CASE("a folder that is not there is an error from the start") {
    const TemporaryDirectory directory;
    const std::string message = message_of<Error>([&] { Recorder({{}, {}, directory / "no/trace.safetensors"}); });
    CHECK(message.find("no/trace.safetensors: cannot be written") != std::string::npos);
}

TEST_CASE("ranges are written a:b") {
    CHECK(parse_token_range("2:5").begin == 2);
    CHECK(parse_token_range("2:5").end == 5);
    for (const std::string text :
         {"", ":", "2", "2:", ":5", "5:2", "3:3", "-1:2", "1:2x", "a:b", "1:2:3", " 1:2", "1:99999999999999999999"}) {
        CAPTURE(text);
        CHECK(message_of<Error>([&] { parse_token_range(text); }).find("found \"" + text + "\", expected a:b") == 0);
    }
}
