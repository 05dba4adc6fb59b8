// Weights out of a checkpoint: where they lie, and what does not fit the config.

#include "gemma/model/weights.hpp"
#include "gemma/error.hpp"
#include "gemma/model/parameters.hpp"
#include "tests/support/contains.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/tiny_model.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace gemma {
namespace {

// The number that the tests store at a place of a tensor, exact in every format.
float number_at(std::size_t tensor, std::size_t i) { return static_cast<float>((tensor * 31 + i) % 97) / 64.0f; }

// Writes the tensors of tiny_config, with the numbers above, after a change to their list.
void write_model(const TemporaryDirectory& directory,
                 const std::function<void(std::vector<TensorInfo>&)>& change = {}) {
    std::vector<TensorInfo> infos;
    for (const Parameter& parameter : parameters(tiny_config())) infos.push_back(parameter.info);
    if (change) change(infos);
    SafetensorsWriter writer(directory / "model.safetensors", infos);
    for (std::size_t t = 0; t < infos.size(); ++t) {
        std::vector<float> numbers(element_count(infos[t].shape));
        const std::size_t tensor = infos[t].name == "lm_head.weight" ? 0 : t;  // tied: as the first, the embedding
        for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = number_at(tensor, i);
        std::vector<std::byte> bytes(infos[t].bytes());
        if (infos[t].dtype != DType::int64 && !numbers.empty())
            from_float32(numbers.data(), numbers.size(), infos[t].dtype, bytes.data());
        writer.write(bytes.data(), bytes.size());
    }
    writer.finish();
}

Weights load(const TemporaryDirectory& directory) {
    return load_weights(std::make_shared<const Checkpoint>(directory.path()), tiny_config());
}

std::string message_after(const std::function<void(std::vector<TensorInfo>&)>& change) {
    const TemporaryDirectory directory;
    write_model(directory, change);
    return message_of<Error>([&] { load(directory); });
}

void check_matrix(const WeightMatrix& matrix, std::size_t tensor) {
    std::vector<float> values(matrix.rows * matrix.columns);
    to_float32(matrix.data, matrix.dtype, values.size(), values.data());
    bool equal = true;
    for (std::size_t i = 0; i < values.size(); ++i) equal = equal && values[i] == number_at(tensor, i);
    CHECK(equal);
    CHECK(reinterpret_cast<std::uintptr_t>(matrix.data) % size_of(matrix.dtype) == 0);
}

void check_vector(const Vector& vector, std::size_t tensor) {
    CHECK(vector.size() == tiny_config().hidden_size);
    bool equal = true;
    for (std::size_t i = 0; i < vector.size(); ++i) equal = equal && vector(i) == number_at(tensor, i);
    CHECK(equal);
}

// The tensors are numbered in the order of parameters(): the embedding, nine for each layer, the last norm.
void check_all(const Weights& weights) {
    check_matrix(weights.embed_tokens, 0);
    REQUIRE(weights.layers.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        const LayerWeights& layer = weights.layers[i];
        const std::size_t first = 1 + 9 * i;
        check_vector(layer.input_layernorm, first);
        check_matrix(layer.self_attn.q_proj, first + 1);
        check_matrix(layer.self_attn.k_proj, first + 2);
        check_matrix(layer.self_attn.v_proj, first + 3);
        check_matrix(layer.self_attn.o_proj, first + 4);
        check_vector(layer.post_attention_layernorm, first + 5);
        check_matrix(layer.mlp.gate_proj, first + 6);
        check_matrix(layer.mlp.up_proj, first + 7);
        check_matrix(layer.mlp.down_proj, first + 8);
    }
    check_vector(weights.norm, 28);
}

}  // namespace

TEST_CASE("Every weight lands in its place, in every number format, and outlives the checkpoint's handle") {
    for (const DType dtype : {DType::float32, DType::bfloat16, DType::float16}) {
        const TemporaryDirectory directory;
        write_model(directory, [&](std::vector<TensorInfo>& infos) {
            for (TensorInfo& info : infos) info.dtype = dtype;
        });
        const Weights weights = load(directory);
        check_all(weights);
        CHECK(weights.embed_tokens.dtype == dtype);
        CHECK(weights.embed_tokens.rows == 120);
        CHECK(weights.embed_tokens.columns == 20);
    }
}

TEST_CASE("Matrices view the file; those that are not aligned there are copied") {
    const TemporaryDirectory directory;
    write_model(directory);
    const auto checkpoint = std::make_shared<const Checkpoint>(directory.path());
    const Weights weights = load_weights(checkpoint, tiny_config());
    CHECK(weights.embed_tokens.data == checkpoint->find("model.embed_tokens.weight")->data);

    // A header whose length is odd, as other writers may leave it.
    std::string file = read_file(directory / "model.safetensors");
    file[0] = static_cast<char>(file[0] + 1);
    file.insert(8 + static_cast<unsigned char>(file[0]) + 256 * static_cast<unsigned char>(file[1]) - 1, " ");
    write_file(directory / "model.safetensors", file);
    check_all(load(directory));
}

TEST_CASE("Other tensors are ignored") {
    const auto add = [](std::vector<TensorInfo>& infos) {
        infos.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", DType::float32, {3}});
    };
    CHECK(message_after(add) == "");
}

TEST_CASE("What does not fit the config is refused by the tensor's name and both shapes") {
    CHECK(contains(message_after([](auto& infos) { infos.erase(infos.begin() + 2); }),
                   "there is no tensor model.layers.0.self_attn.q_proj.weight, expected [24, 20]"));
    CHECK(contains(message_after([](auto& infos) {
                       infos[2].shape = {20, 24};
                   }),
                   "model.layers.0.self_attn.q_proj.weight has shape [20, 24], expected [24, 20]"));
    CHECK(contains(message_after([](auto& infos) { infos[2].shape = {480}; }), "has shape [480], expected [24, 20]"));
    CHECK(contains(message_after([](auto& infos) {
                       infos[1].shape = {1, 20};
                   }),
                   "model.layers.0.input_layernorm.weight has shape [1, 20], expected [20]"));
    CHECK(contains(message_after([](auto& infos) { infos[1].dtype = DType::int64; }),
                   "model.layers.0.input_layernorm.weight is int64, expected float32, bfloat16 or float16"));
    CHECK(contains(message_after([](auto& infos) {
                       infos[0].shape = {0, 0};
                   }),
                   "has shape [0, 0], expected [120, 20]"));
}

TEST_CASE("An embedding with rows of padding names both numbers of rows") {
    CHECK(contains(message_after([](auto& infos) {
                       infos[0].shape = {128, 20};
                   }),
                   "model.embed_tokens.weight has 128 rows, expected 120, the vocab_size of config.json"));
    CHECK(contains(message_after([](auto& infos) {
                       infos[0].shape = {119, 20};
                   }),
                   "has shape [119, 20], expected [120, 20]"));
}

TEST_CASE("An lm_head must be the embedding once more") {
    CHECK(message_after([](auto& infos) { infos.push_back({"lm_head.weight", DType::float32, {120, 20}}); }) == "");
    CHECK(contains(message_after([](auto& infos) {
                       infos.push_back({"lm_head.weight", DType::bfloat16, {120, 20}});
                   }),
                   "lm_head.weight, [120, 20] of bfloat16, differs from model.embed_tokens.weight"));
    CHECK(contains(message_after([](auto& infos) {
                       infos.push_back({"lm_head.weight", DType::float32, {60, 40}});
                   }),
                   "differs"));
    const TemporaryDirectory directory;
    write_model(directory, [](auto& infos) { infos.push_back({"lm_head.weight", DType::float32, {120, 20}}); });
    std::string file = read_file(directory / "model.safetensors");
    file.back() ^= 1;
    write_file(directory / "model.safetensors", file);
    CHECK(contains(message_of<Error>([&] { load(directory); }), "expected the same: Gemma's logits use the embedding"));
}

}  // namespace gemma
