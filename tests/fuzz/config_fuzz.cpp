// config.json: what is taken can be written and read again, and its sizes cannot overflow.
#include "gemma/model/config.hpp"
#include "gemma/model/parameters.hpp"
#include "tests/fuzz/target.hpp"

namespace {

using namespace gemma;

void read(const std::string& input) {
    fuzz::taken([&] {
        const Config config = parse_config(input, "config.json");
        const std::string written = to_json(config);
        fuzz::require(to_json(parse_config(written, "written")) == written, "a config is read as it was written");
        if (config.num_hidden_layers > 64) return;  // their list takes long, and tells nothing new
        double bytes = 0;
        for (const Parameter& parameter : parameters(config)) bytes += 8.0 * element_count(parameter.info.shape);
        fuzz::require(bytes < 0x1p64, "the bytes of all weights can be counted");
    });
}

std::vector<std::string> seeds() {
    Config large = gemma_2b();
    large.vocab_size = large.hidden_size = large.intermediate_size = 1 << 24;
    std::string listed = to_json(gemma_7b());
    listed.replace(listed.find("\"eos_token_id\": 1"), 17, "\"eos_token_id\": [1, 107]");
    return {to_json(gemma_2b()), to_json(large), listed,
            R"({"architectures":["GemmaForCausalLM"],"model_type":"gemma","vocab_size":8,"hidden_size":4,)"
            R"("intermediate_size":4,"num_hidden_layers":1,"num_attention_heads":2,"num_key_value_heads":1,)"
            R"("max_position_embeddings":16,"dtype":"float16","rms_norm_eps":1e-6,)"
            R"("rope_parameters":{"rope_theta":1e4,"rope_type":"default"}})"};
}

const fuzz::Register target({"config", read, seeds});

}  // namespace
