// gemma lens, and the lens itself: at the last layer it is the model.
#include "gemma/trace/recorder.hpp"
#include "gemma/trace/trace_file.hpp"
#include "tests/support/program.hpp"
#include "viz/console.hpp"
#include "viz/logit_lens.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

using namespace gemma;
using namespace gemma::program;
using nlohmann::json;

namespace {

Matrix matrix_of(const RecordedTensor& tensor) {
    Matrix matrix = Matrix::from_shape({tensor.shape[0], tensor.shape[1]});
    std::copy(tensor.numbers.begin(), tensor.numbers.end(), matrix.begin());
    return matrix;
}

Matrix row_of(const RecordedTensor& tensor, std::size_t row) {
    Matrix matrix = Matrix::from_shape({1, tensor.shape[1]});
    std::copy_n(tensor.numbers.begin() + static_cast<std::ptrdiff_t>(row * tensor.shape[1]), matrix.size(),
                matrix.begin());
    return matrix;
}

// Probabilities in double, without the library's softmax.
std::vector<double> probabilities(const float* logits, std::size_t count) {
    std::vector<double> result(logits, logits + count);
    const double largest = *std::max_element(result.begin(), result.end());
    for (double& x : result) x = std::exp(x - largest);
    const double sum = std::accumulate(result.begin(), result.end(), 0.0);
    for (double& x : result) x /= sum;
    return result;
}

const std::vector<int> five_tokens = {2, 7, 9, 30, 4};

}  // namespace

TEST_CASE("the lens at the last layer is the model's logits, to the last bit") {
    const Model model = tiny_model(tiny_config(), 11);
    const std::size_t L = model.config().num_hidden_layers;
    Recorder recorder;
    KVCache cache(model.config(), 16);
    const Matrix logits = model.forward(five_tokens, cache, Trace(recorder));
    const Matrix last = viz::lens_logits(matrix_of(recorder.tensor("model.layers." + std::to_string(L - 1))), model);
    CHECK(last == logits);
    const Matrix early = viz::lens_logits(matrix_of(recorder.tensor("model.layers.0")), model);
    CHECK_FALSE(early == logits);
}

TEST_CASE("the lens at the last layer is the model's logits in bfloat16, too") {
    const Model model(tiny_config(), TinyWeights(tiny_config(), 15).take(), Precision::bfloat16);
    Recorder recorder;
    KVCache cache(model.config(), 16, model.precision());
    const Matrix logits = model.forward(five_tokens, cache, Trace(recorder));
    CHECK(viz::lens_logits(matrix_of(recorder.tensor("model.layers.2")), model) == logits);
}

TEST_CASE("the lens at the last layer is the model's logits, token by token through the cache") {
    const Model model = tiny_model(tiny_config(), 12);
    const std::string last = "model.layers." + std::to_string(model.config().num_hidden_layers - 1);
    Recorder recorder;
    KVCache cache(model.config(), 16);
    for (std::size_t t = 0; t < five_tokens.size(); ++t) {
        const Matrix logits = model.forward({five_tokens[t]}, cache, Trace(recorder));
        const RecordedTensor output = recorder.tensor(last);
        REQUIRE(output.shape[0] == t + 1);
        CHECK(viz::lens_logits(row_of(output, t), model) == logits);

        viz::LensOptions options;
        options.most_rows = 1;
        options.likeliest = 3;
        const viz::LogitLens lens = viz::logit_lens(recorder, model, options);
        CHECK(lens.first == t);
        REQUIRE(lens.layers.back().size() == 1);
        const auto& likeliest = lens.layers.back()[0].likeliest;
        const std::vector<double> p = probabilities(logits.data(), logits.size());
        REQUIRE(likeliest.size() == 3);
        CHECK(likeliest[0].token == std::max_element(p.begin(), p.end()) - p.begin());
        for (const auto& [token, probability] : likeliest) {
            CHECK(probability == doctest::Approx(p[static_cast<std::size_t>(token)]).epsilon(1e-5));
        }
        CHECK(lens.layers.back()[0].answer_rank == 1);
    }
}

TEST_CASE("the answer's rank and probability in an early layer are those of all its logits") {
    const Model model = tiny_model(tiny_config(), 13);
    Recorder recorder;
    KVCache cache(model.config(), 16);
    const Matrix logits = model.forward(five_tokens, cache, Trace(recorder));
    const viz::LogitLens lens = viz::logit_lens(recorder, model);
    const std::size_t V = model.config().vocab_size;
    REQUIRE(lens.embedding.size() == five_tokens.size());
    for (std::size_t t = 0; t < five_tokens.size(); ++t) {
        const auto answer = std::max_element(&logits(t, 0), &logits(t, 0) + V) - &logits(t, 0);
        const auto check = [&](const std::string& name, const viz::Reading& reading) {
            const Matrix early = viz::lens_logits(matrix_of(recorder.tensor(name)), model);
            const std::vector<double> p = probabilities(&early(t, 0), V);
            const double own = p[static_cast<std::size_t>(answer)];
            CHECK(reading.answer_probability == doctest::Approx(own).epsilon(1e-5));
            CHECK(reading.answer_rank ==
                  1 + static_cast<std::size_t>(std::count_if(p.begin(), p.end(), [&](double x) { return x > own; })));
        };
        check("model.embed_scaled", lens.embedding[t]);
        check("model.layers.0", lens.layers[0][t]);
        check("model.layers.1", lens.layers[1][t]);
    }
}

TEST_CASE("more rows than are read at once are read one after the other") {
    const Model model = tiny_model(tiny_config(), 14);
    std::vector<int> many(64, 5);
    std::iota(many.begin() + 1, many.end(), 10);
    many.push_back(3);
    Recorder recorder({{"model.layers.2"}});
    KVCache cache(model.config(), many.size());
    const Matrix logits = model.forward(many, cache, Trace(recorder));
    const viz::LogitLens lens = viz::logit_lens(recorder, model);
    CHECK(lens.embedding.empty());
    CHECK(lens.layers[0].empty());
    REQUIRE(lens.layers[2].size() == many.size());
    for (std::size_t t = 0; t < many.size(); ++t) {
        const float* row = &logits(t, 0);
        CHECK(lens.layers[2][t].likeliest[0].token == std::max_element(row, row + logits.shape(1)) - row);
    }
}

TEST_CASE("gemma lens --json: layers and positions, and the last layer is what the model says") {
    const TemporaryDirectory folder;
    write_model(folder / "tiny");
    const Run result = run("lens --model tiny --tokens 2,7,9,30,4 --all --json --top 4", folder.path());
    CHECK(result.err == "");
    REQUIRE(result.code == 0);
    const json all = json::parse(result.out);
    CHECK(all["model"] == "tiny");
    REQUIRE(all["tokens"].size() == 5);
    CHECK(all["tokens"][1] == json{{"token", 7}, {"piece", nullptr}});
    REQUIRE(all["positions"].size() == 5);

    REQUIRE(run("trace --model tiny --tokens 2,7,9,30,4 --out t.safetensors", folder.path()).code == 0);
    const TraceFile trace(folder / "t.safetensors");
    const RecordedTensor logits = trace.tensor("lm_head");
    const std::size_t V = logits.shape[1], L = tiny_config().num_hidden_layers;
    for (std::size_t t = 0; t < 5; ++t) {
        const json position = all["positions"][t];
        CHECK(position["position"] == t);
        REQUIRE(position["layers"].size() == L + 1);
        CHECK(position["layers"][0]["layer"] == "embedding");
        CHECK(position["layers"][1]["layer"] == 0);
        const json last = position["layers"][L];
        CHECK(last["answer_rank"] == 1);
        REQUIRE(last["likeliest"].size() == 4);
        const std::vector<double> p = probabilities(logits.numbers.data() + t * V, V);
        for (const json& entry : last["likeliest"]) {
            CHECK(entry["probability"].get<double>() ==
                  doctest::Approx(p[entry["token"].get<std::size_t>()]).epsilon(1e-4));
        }
    }

    // One position, some layers: the same readings.
    const Run one =
        run("lens --model tiny --tokens 2,7,9,30,4 --position 3 --layers 1:3,embedding --json --top 4", folder.path());
    REQUIRE(one.code == 0);
    const json layers = json::parse(one.out)["positions"][0]["layers"];
    REQUIRE(layers.size() == 3);
    for (const std::size_t i : {0, 1, 2}) {
        const json same = all["positions"][3]["layers"][i == 0 ? 0 : i + 1];
        CHECK(layers[i]["layer"] == same["layer"]);
        CHECK(layers[i]["answer_rank"] == same["answer_rank"]);
        CHECK(layers[i]["likeliest"][0]["token"] == same["likeliest"][0]["token"]);
    }
}

TEST_CASE("gemma lens: a table of the layers, and a grid of all tokens") {
    const TemporaryDirectory folder;
    const Run one = run("lens --prompt 'Once upon a time' --top 2", folder.path());
    CHECK(one.err == "");
    REQUIRE(one.code == 0);
    CHECK_FALSE(contains(one.out, "\033"));  // no colours in a pipe
    CHECK(contains(one.out, "What follows token"));
    CHECK(contains(one.out, "\nembedding "));
    CHECK(contains(one.out, " %"));

    const Run all = run("lens --prompt 'Once upon a time' --all", folder.path());
    REQUIRE(all.code == 0);
    CHECK(contains(all.out, "0 <bos>"));
    // Columns that do not fit in a line of 100 characters follow below.
    std::size_t widest = 0, begin = 0;
    for (std::size_t end; (end = all.out.find('\n', begin)) != std::string::npos; begin = end + 1) {
        widest = std::max(widest, viz::width_of(all.out.substr(begin, end - begin)));
    }
    CHECK(widest <= 100);
}

TEST_CASE("gemma lens: bad input") {
    const TemporaryDirectory folder;
    write_model(folder / "tiny");
    const std::string start = "lens --model tiny --tokens 2,5 ";
    check_error("lens --model tiny", folder, "--prompt");
    check_error("lens --model tiny --prompt x", folder, "tokenizer.model");
    check_error("lens --model absent --tokens 2", folder, "absent");
    check_error(start + "--top 0", folder, "--top: found 0");
    check_error(start + "--position 2", folder, "--position: found 2, expected 0 to 1");
    check_error(start + "--position 0 --all", folder, "--");
    check_error(start + "--layers 3", folder, "--layers: found \"3\"");
    check_error(start + "--layers 2:2", folder, "--layers: found \"2:2\"");
    check_error(start + "--layers 0,,1", folder, "--layers: found \"\"");
    check_error(start + "--layers last", folder, "--layers: found \"last\"");
    check_error("lens --model tiny --tokens 2,120", folder, "token 1 is 120");
}
