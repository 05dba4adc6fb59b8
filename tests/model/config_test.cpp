// config.json: the published models, older and newer spellings, and what is no Gemma.

#include "gemma/model/config.hpp"
#include "gemma/error.hpp"
#include "tests/support/contains.hpp"
#include "tests/support/temporary_directory.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cstddef>
#include <filesystem>
#include <random>
#include <string>

namespace gemma {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// The config.json that came with the first checkpoints.
Json first_2b() {
    return Json::parse(R"({
        "architectures": ["GemmaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 2,
        "eos_token_id": 1, "head_dim": 256, "hidden_act": "gelu", "hidden_size": 2048, "initializer_range": 0.02,
        "intermediate_size": 16384, "max_position_embeddings": 8192, "model_type": "gemma", "num_attention_heads": 8,
        "num_hidden_layers": 18, "num_key_value_heads": 1, "pad_token_id": 0, "rms_norm_eps": 1e-06,
        "rope_scaling": null, "rope_theta": 10000.0, "torch_dtype": "bfloat16", "use_cache": true, "vocab_size": 256000})");
}

Json with(const std::string& name, const Json& value) {
    Json json = first_2b();
    json[name] = value;
    return json;
}

Json without(const std::string& name) {
    Json json = first_2b();
    json.erase(name);
    return json;
}

Config parse(const Json& json) { return parse_config(json.dump(), "config.json"); }

std::string message_for(const Json& json) {
    return message_of<Error>([&] { parse(json); });
}

bool equal(const Config& a, const Config& b) { return to_json(a) == to_json(b); }

}  // namespace

TEST_CASE("The published models") {
    CHECK(equal(parse(first_2b()), gemma_2b()));
    CHECK(gemma_7b().hidden_size == 3072);
    CHECK(gemma_7b().head_dim == 256);  // not 3072 / 16 = 192
    CHECK(gemma_7b().num_attention_heads == 16);
    CHECK(gemma_7b().num_key_value_heads == 16);
}

TEST_CASE("Each number lands in its own field") {
    const Config config = parse(first_2b());
    CHECK(config.vocab_size == 256000);
    CHECK(config.hidden_size == 2048);
    CHECK(config.intermediate_size == 16384);
    CHECK(config.num_hidden_layers == 18);
    CHECK(config.num_attention_heads == 8);
    CHECK(config.num_key_value_heads == 1);
    CHECK(config.head_dim == 256);
    CHECK(config.max_position_embeddings == 8192);
    CHECK(config.rms_norm_eps == 1e-6f);
    CHECK(config.rope_theta == 10000.0f);
    CHECK(config.torch_dtype == DType::bfloat16);
}

TEST_CASE("What is written is read back") {
    Config config = gemma_7b();
    config.rms_norm_eps = 3e-5f;
    config.rope_theta = 123456.7f;
    config.torch_dtype = DType::float16;
    config.head_dim = 6;
    const Config back = parse_config(to_json(config), "config.json");
    CHECK(equal(back, config));
    CHECK(back.rms_norm_eps == config.rms_norm_eps);
    CHECK(back.rope_theta == config.rope_theta);
    CHECK(contains(to_json(gemma_2b()), "\"rms_norm_eps\": 1e-06,"));
    CHECK(contains(to_json(gemma_2b()), "\"rope_theta\": 10000.0,"));
}

TEST_CASE("Older and newer spellings mean the same") {
    const Json same[] = {with("hidden_act", "gelu_pytorch_tanh"),
                         with("hidden_act", nullptr),
                         without("hidden_act"),
                         with("hidden_activation", nullptr),
                         with("hidden_activation", "gelu_pytorch_tanh"),
                         with("hidden_activation", "gelu"),
                         with("eos_token_id", {1, 107}),
                         with("pad_token_id", nullptr),
                         with("tie_word_embeddings", true),
                         with("rope_parameters", {{"rope_theta", 10000.0}, {"rope_type", "default"}}),
                         with("dtype", "bfloat16"),
                         with("attention_bias", nullptr),
                         with("something_new", {{"a", {1, 2, 3}}}),
                         without("head_dim"),
                         without("rms_norm_eps"),
                         without("rope_theta"),
                         without("rope_scaling"),
                         without("torch_dtype"),
                         without("bos_token_id")};
    for (const Json& json : same) CHECK(message_for(json) == "");
    for (const Json& json : same) CHECK(equal(parse(json), gemma_2b()));
    Json new_names = without("torch_dtype");
    new_names["dtype"] = "float32";
    new_names.erase("rope_theta");
    new_names["rope_parameters"] = {{"rope_theta", 500.0}};
    CHECK(parse(new_names).torch_dtype == DType::float32);
    CHECK(parse(new_names).rope_theta == 500.0f);
}

TEST_CASE("What is no Gemma of the first generation is refused") {
    CHECK(message_for(with("model_type", "gemma2")) ==
          "config.json: model_type is \"gemma2\", expected \"gemma\": this is an implementation of the first "
          "generation of Gemma");
    for (const char* const other : {"gemma3", "gemma3_text", "llama", "recurrent_gemma", "paligemma"}) {
        CHECK(contains(message_for(with("model_type", other)), "expected \"gemma\""));
    }
    CHECK(contains(message_for(without("model_type")), "model_type is missing"));
    CHECK(contains(message_for(with("architectures", {"Gemma2ForCausalLM"})), "expected [\"GemmaForCausalLM\"]"));
    CHECK(contains(message_for(without("architectures")), "architectures is missing"));
    CHECK(contains(message_for(with("hidden_act", "silu")), "hidden_act is \"silu\""));
    CHECK(contains(message_for(with("hidden_activation", "relu")), "hidden_activation is \"relu\""));
    CHECK(contains(message_for(with("hidden_act", 1)), "hidden_act is 1"));
    CHECK(contains(message_for(with("rope_scaling", {{"type", "linear"}, {"factor", 2.0}})), "rope_scaling is {"));
    CHECK(contains(message_for(with("rope_parameters", {{"rope_type", "yarn"}})), "rope_parameters is {"));
    CHECK(contains(message_for(with("attention_bias", true)), "attention_bias is true, expected false"));
    CHECK(contains(message_for(with("tie_word_embeddings", false)), "tie_word_embeddings is false"));
    CHECK(contains(message_for(with("bos_token_id", 1)), "bos_token_id is 1, expected Gemma's, 2"));
    CHECK(contains(message_for(with("eos_token_id", 2)), "eos_token_id is 2, expected Gemma's, 1"));
    CHECK(contains(message_for(with("eos_token_id", {106, 107})), "eos_token_id is [106,107]"));
    CHECK(contains(message_for(with("pad_token_id", -1)), "pad_token_id is -1"));
    CHECK(contains(message_for(with("torch_dtype", "int8")), "torch_dtype is \"int8\""));
    CHECK(contains(message_for(with("torch_dtype", "int64")), "torch_dtype is \"int64\""));
    CHECK(contains(message_for(with("num_key_value_heads", 3)),
                   "num_attention_heads is 8, expected a multiple of num_key_value_heads, 3"));
    CHECK(contains(message_for(with("num_key_value_heads", 16)), "expected a multiple"));
    CHECK(contains(message_for(with("head_dim", 255)), "head_dim is 255, expected an even number"));
}

TEST_CASE("Numbers must be there, whole, positive and of a sane size") {
    const char* const counts[] = {
        "vocab_size",          "hidden_size",         "intermediate_size",       "num_hidden_layers",
        "num_attention_heads", "num_key_value_heads", "max_position_embeddings", "head_dim"};
    const Json wrong[] = {0,        -1,   1.5, "8", true, Json::array(), 9223372036854775807, 18446744073709551615ull,
                          16777217, 1e300};
    for (const char* const name : counts) {
        for (const Json& value : wrong) {
            const std::string message = message_for(with(name, value));
            INFO(message);
            CHECK(contains(message, fmt::format("config.json: {} is {}", name, value.dump())));
            CHECK(contains(message, "expected a whole number from 1 to "));
        }
        if (std::string(name) != "head_dim")
            CHECK(contains(message_for(without(name)), fmt::format("{} is missing", name)));
    }
    for (const char* const name : {"rms_norm_eps", "rope_theta"}) {
        for (const Json& value : {Json(0), Json(-1.0), Json(1e300), Json(1e-300), Json("1"), Json(true)}) {
            CHECK(contains(message_for(with(name, value)), "expected a positive number"));
        }
    }
}

TEST_CASE("What is no JSON object is refused; any damage ends in an Error or in a config") {
    const auto message = [](const std::string& text) { return message_of<Error>([&] { parse_config(text, "c"); }); };
    CHECK(contains(message(""), "c: not valid JSON at line 1, column 1"));
    CHECK(contains(message("{\n  \"a\": 1,\n  oops\n}"), "c: not valid JSON at line 3, column 3"));
    CHECK(contains(message("[1]"), "c: found JSON of type array, expected an object"));
    CHECK(contains(message("{\"a\": 1, \"a\": 2}"), "c: found \"a\" twice"));
    const std::string whole = first_2b().dump();
    for (std::size_t length = 0; length < whole.size(); ++length) CHECK(!message(whole.substr(0, length)).empty());
    std::mt19937 random(1);
    for (int i = 0; i < 5000; ++i) {
        std::string broken = whole;
        broken[random() % broken.size()] = static_cast<char>(random());
        message(broken);  // any other exception fails the test
    }
}

TEST_CASE("A config is found by a built-in name, a directory or a file") {
    CHECK(equal(find_config("gemma-2b"), gemma_2b()));
    CHECK(equal(find_config("gemma-7b"), gemma_7b()));
    const fs::path fixture = fs::path(GEMMA_FIXTURES) / "tiny/one_layer";
    CHECK(find_config(fixture.string()).num_hidden_layers == 1);
    CHECK(find_config((fixture / "config.json").string()).num_hidden_layers == 1);
    const auto message = [](const fs::path& name) { return message_of<Error>([&] { find_config(name.string()); }); };
    const TemporaryDirectory directory;
    CHECK(contains(message("gemma-3b"),
                   "found \"gemma-3b\", which does not exist, expected gemma-2b, gemma-7b, a model directory or a "
                   "config.json"));
    write_file(directory / "notes.txt", "x");
    CHECK(contains(message(directory / "notes.txt"), "notes.txt\", expected gemma-2b"));
    CHECK(contains(message(directory / "none.json"), "none.json: no such file"));
    CHECK(contains(message(directory.path()),
                   "config.json: no such file, expected the config.json of a model directory"));
    write_file(directory / "gemma-2b.ckpt", "x");
    CHECK(contains(message(directory.path()), "gemma-2b.ckpt is a PyTorch checkpoint: convert it"));
    CHECK(contains(message(directory / "gemma-2b.ckpt"), "gemma-2b.ckpt is a PyTorch checkpoint: convert it"));
}

}  // namespace gemma
