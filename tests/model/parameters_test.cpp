// The tensors of a Gemma: names, shapes, order, and the counts of the published models.

#include "gemma/model/parameters.hpp"
#include "gemma/checkpoint/checkpoint.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <set>
#include <string>

namespace gemma {
namespace {

std::map<Part, std::size_t> counts_of(const Config& config) {
    std::map<Part, std::size_t> counts;
    for (const Parameter& parameter : parameters(config)) counts[parameter.part] += element_count(parameter.info.shape);
    return counts;
}

std::size_t total_of(const Config& config) {
    std::size_t total = 0;
    for (const auto& [part, count] : counts_of(config)) total += count;
    return total;
}

}  // namespace

TEST_CASE("Gemma 2B has 2,506,172,416 parameters and 7B 8,537,680,896") {
    CHECK(total_of(gemma_2b()) == 2506172416);
    CHECK(total_of(gemma_7b()) == 8537680896);
}

TEST_CASE("Parameters by part") {
    std::map<Part, std::size_t> counts = counts_of(gemma_2b());
    CHECK(counts[Part::embedding] == 524288000);
    CHECK(counts[Part::attention] == 18 * (4194304 + 524288 + 524288 + 4194304));
    CHECK(counts[Part::mlp] == 18ull * 100663296);
    CHECK(counts[Part::norm] == 18 * 4096 + 2048);
    counts = counts_of(gemma_7b());
    CHECK(counts[Part::embedding] == 786432000);
    CHECK(counts[Part::attention] == 28ull * 4 * 12582912);
    CHECK(counts[Part::mlp] == 28ull * 226492416);
    CHECK(counts[Part::norm] == 28 * 6144 + 3072);
    CHECK(to_string(Part::embedding) == "embedding");
    CHECK(to_string(Part::attention) == "attention");
    CHECK(to_string(Part::mlp) == "mlp");
    CHECK(to_string(Part::norm) == "norm");
}

TEST_CASE("The shapes follow from head_dim, not from D / H") {
    std::map<std::string, Shape> shapes;
    for (const Parameter& parameter : parameters(gemma_7b())) shapes[parameter.info.name] = parameter.info.shape;
    CHECK(shapes.at("model.embed_tokens.weight") == Shape{256000, 3072});
    CHECK(shapes.at("model.layers.27.self_attn.q_proj.weight") == Shape{4096, 3072});
    CHECK(shapes.at("model.layers.27.self_attn.o_proj.weight") == Shape{3072, 4096});
    CHECK(shapes.at("model.layers.0.mlp.gate_proj.weight") == Shape{24576, 3072});
    CHECK(shapes.at("model.layers.0.mlp.down_proj.weight") == Shape{3072, 24576});
    CHECK(shapes.at("model.layers.0.input_layernorm.weight") == Shape{3072});
    CHECK(shapes.count("model.layers.28.mlp.up_proj.weight") == 0);
    CHECK(shapes.count("lm_head.weight") == 0);
}

TEST_CASE("Names and shapes are those of the files that the official model wrote") {
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(GEMMA_FIXTURES) / "tiny")) {
        INFO(entry.path().string());
        const Checkpoint checkpoint(entry.path());
        std::set<std::string> expected, found;
        for (const Parameter& parameter : parameters(read_config(entry.path() / "config.json"))) {
            expected.insert(parameter.info.name + to_string(parameter.info.shape));
        }
        for (const StoredTensor& tensor : checkpoint.tensors()) found.insert(tensor.name + to_string(tensor.shape));
        CHECK(found == expected);
    }
}

TEST_CASE("They come in the order of the forward pass") {
    Config config = gemma_2b();
    config.num_hidden_layers = 1;
    std::string order;
    for (const Parameter& parameter : parameters(config)) order += parameter.info.name + " ";
    CHECK(order ==
          "model.embed_tokens.weight "
          "model.layers.0.input_layernorm.weight "
          "model.layers.0.self_attn.q_proj.weight model.layers.0.self_attn.k_proj.weight "
          "model.layers.0.self_attn.v_proj.weight model.layers.0.self_attn.o_proj.weight "
          "model.layers.0.post_attention_layernorm.weight "
          "model.layers.0.mlp.gate_proj.weight model.layers.0.mlp.up_proj.weight model.layers.0.mlp.down_proj.weight "
          "model.norm.weight ");
}

}  // namespace gemma
