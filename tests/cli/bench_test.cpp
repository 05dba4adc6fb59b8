// Runs `gemma bench` as a user does. No time is judged: what is reported must be consistent in itself.
#include "gemma/bench/random_weights.hpp"
#include "gemma/bench/work.hpp"
#include "gemma/model/config.hpp"
#include "tests/support/program.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/tiny_model.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <string>

using namespace gemma;
using namespace gemma::program;
using Json = nlohmann::json;

namespace {

void write_tiny_config(const TemporaryDirectory& folder) {
    Config config = tiny_config();
    config.torch_dtype = DType::bfloat16;
    write_file(folder / "config.json", to_json(config));
}

Json bench_json(const std::string& arguments, const TemporaryDirectory& folder) {
    const Run result = run("bench --json " + arguments, folder.path());
    CAPTURE(result.err);
    REQUIRE(result.code == 0);
    return Json::parse(result.out);
}

double median(const Json& spread) {
    CHECK(spread.at("least").get<double>() <= spread.at("median").get<double>());
    CHECK(spread.at("median").get<double>() <= spread.at("largest").get<double>());
    return spread.at("median").get<double>();
}

void check_components(const Json& phase, double seconds) {
    const Json& parts = phase.at("component_seconds");
    double sum = 0;
    for (const char* part : {"attention", "mlp", "norms", "logits", "rest"}) sum += parts.at(part).get<double>();
    CHECK(sum == doctest::Approx(seconds).epsilon(1e-9));
    CHECK(parts.at("attention_linear_maps") > 0);
}

void check_run(const Json& run, const Config& config, Precision precision) {
    const std::size_t prompt = run.at("prompt_tokens"), tokens = run.at("tokens");
    const Json &limits = run.at("limits"), &prefill = run.at("prefill"), &decode = run.at("decode");

    const double first_token = median(prefill.at("seconds_to_first_token"));
    CHECK(median(prefill.at("tokens_per_second")) ==
          doctest::Approx(static_cast<double>(prompt) / first_token).epsilon(1e-9));
    CHECK(prefill.at("operations").get<double>() == bench::prefill_operations(config, prompt));
    const double prefill_share = median(prefill.at("share_of_limit"));
    CHECK(prefill_share > 0);
    CHECK(prefill_share <= 1.2);  // with room for a disturbed peak; a model this small is far below
    check_components(prefill, first_token);
    const std::string limit = prefill.at("limit");
    CHECK(limit == (precision == Precision::bfloat16 && !limits.at("bfloat16").is_null() ? "bfloat16" : "float32"));
    CHECK(median(limits.at(limit).at("operations_per_second")) > 0);

    const double token = median(decode.at("seconds_per_token"));
    CHECK(median(decode.at("tokens_per_second")) == doctest::Approx(1 / token).epsilon(1e-9));
    const std::size_t norms = (2 * config.num_hidden_layers + 1) * config.hidden_size;
    const std::size_t matrices = bench::weight_bytes(config) - 2 * norms;
    const double bytes = static_cast<double>(matrices + bench::cache_bytes(config, prompt + tokens / 2, precision));
    CHECK(decode.at("bytes_per_token").get<double>() == bytes);
    CHECK(median(decode.at("share_of_limit")) > 0);  // at a few kB one disturbed read makes it any number
    check_components(decode, token);
    if (run.at("repeats") == 1) {  // a median of one: the share is the quotient of the numbers beside it
        const double share = bytes / token / median(limits.at("read_bytes_per_second"));
        CHECK(median(decode.at("share_of_limit")) == doctest::Approx(share).epsilon(1e-9));
    }

    const Json& memory = run.at("memory_bytes");
    CHECK(memory.at("weights").get<std::size_t>() == matrices);
    CHECK(memory.at("kv_cache").get<std::size_t>() == bench::cache_bytes(config, prompt + tokens, precision));
    CHECK(memory.at("peak").get<std::size_t>() == memory.at("weights").get<std::size_t>() +
                                                      memory.at("kv_cache").get<std::size_t>() +
                                                      memory.at("rest").get<std::size_t>());
}

}  // namespace

TEST_CASE("gemma bench --json: one run, in bfloat16 because the weights are") {
    const TemporaryDirectory folder;
    write_tiny_config(folder);
    const Json json = bench_json("--config config.json --prompt-tokens 9 --tokens 4 --repeats 1 --threads 1", folder);
    CHECK(json.at("model") == "config.json");
    CHECK(json.at("random_weights") == true);
    CHECK(json.at("dtype") == "bfloat16");
    CHECK(json.at("precision") == "bfloat16");
    CHECK(json.at("processor").is_string());
    REQUIRE(json.at("runs").size() == 1);
    const Json& run = json["runs"][0];
    CHECK(run.at("threads") == 1);
    CHECK(run.at("prompt_tokens") == 9);
    CHECK(run.at("tokens") == 4);
    CHECK(run.at("repeats") == 1);
    check_run(run, tiny_config(), Precision::bfloat16);
}

TEST_CASE("gemma bench: several lengths and numbers of threads, each one's run") {
    const TemporaryDirectory folder;
    write_tiny_config(folder);
    const std::string arguments =
        "--config config.json --prompt-tokens 3,30 --threads 1,2 --tokens 2 --repeats 2 --precision float32";
    const Json json = bench_json(arguments, folder);
    CHECK(json.at("precision") == "float32");
    REQUIRE(json.at("runs").size() == 4);
    std::size_t i = 0;
    for (const std::size_t threads : {1, 2}) {
        for (const std::size_t length : {3, 30}) {
            const Json& run = json["runs"][i++];
            CHECK(run.at("threads") == threads);
            CHECK(run.at("prompt_tokens") == length);
            check_run(run, tiny_config(), Precision::float32);
        }
    }

    const Run text = run("bench " + arguments, folder.path());
    CHECK(text.code == 0);
    CHECK(text.err == "");  // no progress where there is no terminal
    CHECK(contains(text.out, "of peak"));
}

TEST_CASE("gemma bench: the report names the limits, the components and the memory") {
    const TemporaryDirectory folder;
    write_model(folder / "model");
    const Run result = run("bench --model model --tokens 3 --repeats 1", folder.path());
    REQUIRE(result.code == 0);
    CHECK(result.err == "");
    CHECK(!contains(result.out, "\033"));
    // The tiny model is float32, and its context of 64 leaves 61 tokens for the prompt.
    for (const char* part : {"computed in float32", "a prompt of 61 tokens, then 3 tokens", "reading",
                             "float32 arithmetic", "bfloat16 arithmetic", "prefill", "decode", "attention: linear maps",
                             "MLP", "norms", "logits", "rest", "KV cache", "peak"}) {
        CAPTURE(part);
        CHECK(contains(result.out, part));
    }
}

TEST_CASE("gemma bench refuses what it cannot measure") {
    const TemporaryDirectory folder;
    write_tiny_config(folder);
    check_error("bench --config nothing.json", folder, "nothing.json");
    check_error("bench --config gemma-3b", folder, "expected gemma-2b");
    check_error("bench --config config.json --model x", folder, "--model");
    check_error("bench --config config.json --prompt-tokens 60 --tokens 5", folder, "at most 64");
    check_error("bench --config config.json --prompt-tokens 0", folder, "prompt tokens: found 0");
    check_error("bench --config config.json --prompt-tokens -1", folder, "-1");
    check_error("bench --config config.json --prompt-tokens 5,x", folder, "x");
    check_error("bench --config config.json --tokens 0", folder, "tokens: found 0");
    check_error("bench --config config.json --repeats 0", folder, "repeats: found 0");
    check_error("bench --config config.json --threads 0", folder, "--threads");
    check_error("bench --config config.json --precision int8", folder, "int8");
}

TEST_CASE("gemma bench says when a model does not fit in memory") {
    const TemporaryDirectory folder;
    Config config = gemma_7b();
    config.num_hidden_layers = 1000;  // half a terabyte of weights
    write_file(folder / "config.json", to_json(config));
    check_error("bench --config config.json", folder, "memory available");
}
