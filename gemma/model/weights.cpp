#include "gemma/model/weights.hpp"

#include "gemma/error.hpp"
#include "gemma/model/parameters.hpp"

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <utility>

namespace gemma {

namespace {

constexpr const char* embedding_name = "model.embed_tokens";

// What the matrices view: the mapped files, and aligned copies of the few matrices that are not aligned there.
struct Storage {
    std::shared_ptr<const Checkpoint> checkpoint;
    std::vector<std::unique_ptr<std::byte[]>> copies;
};

// Takes tensors out of a checkpoint by the name of their module, with the shapes that follow from the config.
class Loader {
public:
    Loader(std::shared_ptr<const Checkpoint> checkpoint, const Config& config)
        : checkpoint_(*checkpoint), storage_(std::make_shared<Storage>()) {
        storage_->checkpoint = std::move(checkpoint);
        for (const Parameter& parameter : parameters(config)) shapes_[parameter.info.name] = parameter.info.shape;
    }

    WeightMatrix matrix(const std::string& module) {
        const StoredTensor& tensor = find(module + ".weight");
        return {tensor.dtype, aligned(tensor), tensor.shape[0], tensor.shape[1]};
    }

    Vector vector(const std::string& module) {
        const StoredTensor& tensor = find(module + ".weight");
        Vector values = Vector::from_shape({tensor.shape[0]});
        to_float32(tensor.data, tensor.dtype, values.size(), values.data());
        return values;
    }

    std::shared_ptr<const void> storage() const { return storage_; }

private:
    const StoredTensor& find(const std::string& name) const {
        const StoredTensor& tensor = checkpoint_.tensor(name, shapes_.at(name));
        if (tensor.dtype == DType::int64) {
            fail("{}: {} is int64, expected float32, bfloat16 or float16", checkpoint_.directory().string(), name);
        }
        return tensor;
    }

    const std::byte* aligned(const StoredTensor& tensor) {
        if (reinterpret_cast<std::uintptr_t>(tensor.data) % size_of(tensor.dtype) == 0) return tensor.data;
        auto copy = std::make_unique<std::byte[]>(tensor.bytes());
        std::memcpy(copy.get(), tensor.data, tensor.bytes());
        return storage_->copies.emplace_back(std::move(copy)).get();
    }

    const Checkpoint& checkpoint_;
    std::shared_ptr<Storage> storage_;
    std::map<std::string, Shape> shapes_;
};

// Some conversions pad the vocabulary, to 256128 rows where the tokenizer has 256000 pieces.
void require_unpadded_embedding(const Checkpoint& checkpoint, const Config& config) {
    const StoredTensor* const found = checkpoint.find(fmt::format("{}.weight", embedding_name));
    const Shape expected = {config.vocab_size, config.hidden_size};
    if (found != nullptr && found->shape.size() == 2 && found->shape[0] > expected[0] &&
        found->shape[1] == expected[1]) {
        fail("{}: {} has {} rows, expected {}, the vocab_size of config.json: cut the rows of padding at its end",
             checkpoint.directory().string(), found->name, found->shape[0], expected[0]);
    }
}

// Some conversions store the embedding a second time, as lm_head: that one is not used, so it must be no other.
void require_tied_head(const Checkpoint& checkpoint, const WeightMatrix& embedding) {
    const StoredTensor* const head = checkpoint.find("lm_head.weight");
    if (head == nullptr) return;
    const bool is_embedding = head->dtype == embedding.dtype &&
                              head->shape == Shape{embedding.rows, embedding.columns} &&
                              std::memcmp(head->data, embedding.data, head->bytes()) == 0;
    if (!is_embedding) {
        fail(
            "{}: lm_head.weight, {} of {}, differs from {}.weight, expected the same: Gemma's logits use the embedding",
            checkpoint.directory().string(), to_string(head->shape), to_string(head->dtype), embedding_name);
    }
}

// What rounded weights view: copies, and for what was bfloat16 already the storage it had.
struct RoundedStorage {
    std::shared_ptr<const void> before;
    std::vector<std::unique_ptr<std::byte[]>> copies;
};

void round(WeightMatrix& matrix, RoundedStorage& storage) {
    if (matrix.dtype == DType::bfloat16) return;
    const std::size_t columns = matrix.columns, row_bytes = columns * size_of(DType::bfloat16);
    std::byte* const copy = storage.copies.emplace_back(std::make_unique<std::byte[]>(matrix.rows * row_bytes)).get();
    std::vector<float> row(columns);
    for (std::size_t i = 0; i < matrix.rows; ++i) {
        copy_row(matrix, i, row.data());
        from_float32(row.data(), columns, DType::bfloat16, copy + i * row_bytes);
    }
    matrix.data = copy;
    matrix.dtype = DType::bfloat16;
}

void round(Vector& vector) { round_to(Precision::bfloat16, vector.data(), vector.size()); }

}  // namespace

Weights load_weights(const std::shared_ptr<const Checkpoint>& checkpoint, const Config& config) {
    require_unpadded_embedding(*checkpoint, config);
    Loader load(checkpoint, config);
    Weights weights;
    weights.embed_tokens = load.matrix(embedding_name);
    require_tied_head(*checkpoint, weights.embed_tokens);
    for (std::size_t i = 0; i < config.num_hidden_layers; ++i) {
        const std::string layer = fmt::format("model.layers.{}.", i), attention = layer + "self_attn.",
                          mlp = layer + "mlp.";
        LayerWeights& target = weights.layers.emplace_back();
        target.input_layernorm = load.vector(layer + "input_layernorm");
        target.self_attn = {load.matrix(attention + "q_proj"), load.matrix(attention + "k_proj"),
                            load.matrix(attention + "v_proj"), load.matrix(attention + "o_proj")};
        target.post_attention_layernorm = load.vector(layer + "post_attention_layernorm");
        target.mlp = {load.matrix(mlp + "gate_proj"), load.matrix(mlp + "up_proj"), load.matrix(mlp + "down_proj")};
    }
    weights.norm = load.vector("model.norm");
    weights.storage = load.storage();
    return weights;
}

Weights in_bfloat16(Weights weights) {
    auto storage = std::make_shared<RoundedStorage>();
    storage->before = std::move(weights.storage);
    round(weights.embed_tokens, *storage);
    for (LayerWeights& layer : weights.layers) {
        AttentionWeights& attention = layer.self_attn;
        FeedForwardWeights& mlp = layer.mlp;
        round(layer.input_layernorm);
        round(layer.post_attention_layernorm);
        for (WeightMatrix* matrix : {&attention.q_proj, &attention.k_proj, &attention.v_proj, &attention.o_proj,
                                     &mlp.gate_proj, &mlp.up_proj, &mlp.down_proj}) {
            round(*matrix, *storage);
        }
    }
    round(weights.norm);
    weights.storage = std::move(storage);
    return weights;
}

}  // namespace gemma
