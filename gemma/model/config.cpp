#include "gemma/model/config.hpp"

#include "gemma/checkpoint/checkpoint.hpp"
#include "gemma/checkpoint/mapped_file.hpp"
#include "gemma/error.hpp"
#include "gemma/json.hpp"

#include <algorithm>
#include <cmath>

namespace gemma {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* architecture = "GemmaForCausalLM";

// With these the bytes of all weights, and of a cache for the whole context, are below 2^64: nothing has to be checked
// for overflow later.
constexpr std::size_t most_layers = 1 << 10, most_heads = 1 << 12, most = 1 << 24;

// The object of a config.json, and its name in errors.
struct Fields {
    const Json& object;
    const std::string& source;

    const Json& operator[](const char* name) const { return member(object, name); }

    template <typename Expected>
    [[noreturn]] void reject(const char* name, const Expected& expected) const {
        const Json& found = (*this)[name];
        fail("{}: {} is {}, expected {}", source, name, found.is_null() ? "missing" : excerpt(found), expected);
    }
};

std::size_t read_count(const Fields& fields, const char* name, std::size_t largest = most) {
    const Json& found = fields[name];
    if (!found.is_number_unsigned() || found < 1u || found > largest) {
        fields.reject(name, fmt::format("a whole number from 1 to {}", largest));
    }
    return found.get<std::size_t>();
}

float read_positive(const Fields& fields, const char* name, float fallback) {
    const Json& found = fields[name];
    if (found.is_null()) return fallback;
    const float value = found.is_number() ? found.get<float>() : 0.0f;
    if (!(value > 0.0f) || !std::isfinite(value)) fields.reject(name, "a positive number");
    return value;
}

// Since version 5, Transformers writes {"rope_parameters": {"rope_theta": .., "rope_type": "default"}}.
float read_rope_theta(const Fields& fields, float fallback) {
    if (!fields["rope_scaling"].is_null()) fields.reject("rope_scaling", "null: Gemma does not scale RoPE");
    const Json& parameters = fields["rope_parameters"];
    if (parameters.is_null()) return read_positive(fields, "rope_theta", fallback);
    const Json& type = member(parameters, "rope_type");
    if (!type.is_null() && type != "default") fields.reject("rope_parameters", "a rope_type of \"default\"");
    return read_positive({parameters, fields.source}, "rope_theta", fallback);
}

// The dtype is what the publisher says of the weights; what they are is in the files.
DType read_dtype(const Fields& fields, DType fallback) {
    const char* const name = fields["torch_dtype"].is_null() ? "dtype" : "torch_dtype";  // Transformers 5: "dtype"
    const Json& found = fields[name];
    if (found.is_null()) return fallback;
    for (const DType dtype : {DType::float32, DType::bfloat16, DType::float16}) {
        if (found == to_string(dtype)) return dtype;
    }
    fields.reject(name, "float32, bfloat16 or float16");
}

// A special token's id, which may be left out. Newer files list several ends: <end_of_turn> beside <eos>.
void require_token(const Fields& fields, const char* name, int expected) {
    const Json& found = fields[name];
    const bool is_listed = found.is_array() && std::find(found.begin(), found.end(), expected) != found.end();
    if (!found.is_null() && found != expected && !is_listed) fields.reject(name, fmt::format("Gemma's, {}", expected));
}

void require_gemma(const Fields& fields) {
    if (fields["model_type"] != "gemma") {
        fields.reject("model_type", "\"gemma\": this is an implementation of the first generation of Gemma");
    }
    const Json& architectures = fields["architectures"];
    if (!architectures.is_array() ||
        std::find(architectures.begin(), architectures.end(), architecture) == architectures.end()) {
        fields.reject("architectures", fmt::format("[\"{}\"]", architecture));
    }
    for (const char* const name : {"hidden_act", "hidden_activation"}) {
        const Json& found = fields[name];
        if (!found.is_null() && found != "gelu" && found != "gelu_pytorch_tanh") {
            fields.reject(name, "\"gelu_pytorch_tanh\", or \"gelu\", which means the same in Gemma");
        }
    }
    if (!fields["attention_bias"].is_null() && fields["attention_bias"] != false) {
        fields.reject("attention_bias", "false: Gemma's attention has no biases");
    }
    if (!fields["tie_word_embeddings"].is_null() && fields["tie_word_embeddings"] != true) {
        fields.reject("tie_word_embeddings", "true: Gemma's logits use the embedding");
    }
}

// A number as it is written by hand: 1e-06 and not the 9.999999974752427e-07 that a float is exactly.
Json shortest(float value) { return Json::parse(fmt::format("{}", value)).get<double>(); }

}  // namespace

Config gemma_2b() {
    Config config{};
    config.vocab_size = 256000;
    config.hidden_size = 2048;
    config.intermediate_size = 16384;
    config.num_hidden_layers = 18;
    config.num_attention_heads = 8;
    config.num_key_value_heads = 1;
    config.head_dim = 256;
    config.max_position_embeddings = 8192;
    return config;
}

Config gemma_7b() {
    Config config{};
    config.vocab_size = 256000;
    config.hidden_size = 3072;
    config.intermediate_size = 24576;
    config.num_hidden_layers = 28;
    config.num_attention_heads = 16;
    config.num_key_value_heads = 16;
    config.head_dim = 256;
    config.max_position_embeddings = 8192;
    return config;
}

Config parse_config(std::string_view json, const std::string& source) {
    const Json object = parse_json_object(json, source);
    const Fields fields{object, source};
    require_gemma(fields);

    Config config{};
    config.vocab_size = read_count(fields, "vocab_size");
    config.hidden_size = read_count(fields, "hidden_size");
    config.intermediate_size = read_count(fields, "intermediate_size");
    config.num_hidden_layers = read_count(fields, "num_hidden_layers", most_layers);
    config.num_attention_heads = read_count(fields, "num_attention_heads", most_heads);
    config.num_key_value_heads = read_count(fields, "num_key_value_heads", most_heads);
    config.head_dim =
        fields["head_dim"].is_null() ? 256 : read_count(fields, "head_dim", most_heads);  // as Transformers
    config.max_position_embeddings = read_count(fields, "max_position_embeddings");
    config.rms_norm_eps = read_positive(fields, "rms_norm_eps", config.rms_norm_eps);
    config.rope_theta = read_rope_theta(fields, config.rope_theta);
    config.torch_dtype = read_dtype(fields, config.torch_dtype);
    require_token(fields, "pad_token_id", config.pad_token_id);
    require_token(fields, "eos_token_id", config.eos_token_id);
    require_token(fields, "bos_token_id", config.bos_token_id);

    if (config.num_attention_heads % config.num_key_value_heads != 0) {
        fail("{}: num_attention_heads is {}, expected a multiple of num_key_value_heads, {}", source,
             config.num_attention_heads, config.num_key_value_heads);
    }
    if (config.head_dim % 2 != 0)
        fail("{}: head_dim is {}, expected an even number: RoPE turns pairs", source, config.head_dim);
    return config;
}

Config read_config(const fs::path& file) {
    if (!fs::exists(file)) {
        fail("{}: no such file, expected the config.json of a model directory{}", file.string(),
             conversion_hint(file.parent_path()));
    }
    const MappedFile content(file);
    return parse_config({reinterpret_cast<const char*>(content.data()), content.size()}, file.string());
}

std::string to_json(const Config& config) {
    const nlohmann::ordered_json json = {
        {"architectures", {architecture}},
        {"model_type", "gemma"},
        {"vocab_size", config.vocab_size},
        {"hidden_size", config.hidden_size},
        {"intermediate_size", config.intermediate_size},
        {"num_hidden_layers", config.num_hidden_layers},
        {"num_attention_heads", config.num_attention_heads},
        {"num_key_value_heads", config.num_key_value_heads},
        {"head_dim", config.head_dim},
        {"max_position_embeddings", config.max_position_embeddings},
        {"hidden_act", "gelu_pytorch_tanh"},
        {"hidden_activation", "gelu_pytorch_tanh"},
        {"rms_norm_eps", shortest(config.rms_norm_eps)},
        {"rope_theta", shortest(config.rope_theta)},
        {"rope_scaling", nullptr},
        {"attention_bias", false},
        {"attention_dropout", 0.0},
        {"tie_word_embeddings", true},
        {"pad_token_id", config.pad_token_id},
        {"eos_token_id", config.eos_token_id},
        {"bos_token_id", config.bos_token_id},
        {"torch_dtype", to_string(config.torch_dtype)},
    };
    return json.dump(2) + "\n";
}

Config find_config(const std::string& name) {
    if (name == "gemma-2b") return gemma_2b();
    if (name == "gemma-7b") return gemma_7b();
    if (fs::is_directory(name)) return read_config(fs::path(name) / "config.json");
    if (fs::path(name).extension() == ".json") return read_config(name);
    fail("found \"{}\"{}, expected gemma-2b, gemma-7b, a model directory or a config.json{}", name,
         fs::exists(name) ? "" : ", which does not exist", conversion_hint(name));
}

}  // namespace gemma
