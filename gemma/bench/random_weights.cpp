#include "gemma/bench/random_weights.hpp"

#include "gemma/checkpoint/random.hpp"
#include "gemma/model/parameters.hpp"
#include "gemma/parallel.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace gemma::bench {

namespace {

constexpr std::uint64_t seed = 0;
constexpr std::size_t block_numbers = 262139;  // the largest prime below 2^18
constexpr std::align_val_t alignment{64};      // a cache line

// Memory for all matrices in a row, left as the system gives it: pages come when they are filled, by the thread that
// fills them.
class Memory {
public:
    explicit Memory(std::size_t bytes) : data_(static_cast<std::byte*>(::operator new(bytes, alignment))) {}
    ~Memory() { ::operator delete(data_, alignment); }
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;

    std::byte* data() const { return data_; }

private:
    std::byte* data_;
};

class Maker {
public:
    explicit Maker(const Config& config) : memory_(std::make_shared<const Memory>(weight_bytes(config))) {
        next_ = memory_->data();
    }

    WeightMatrix matrix(std::size_t out, std::size_t in) {
        const WeightMatrix made{DType::bfloat16, next_, out, in};
        const std::size_t bytes = out * in * sizeof(std::uint16_t);
        repeat(block_of(in), next_, bytes);
        next_ += bytes;
        return made;
    }

    Vector norm(std::size_t size) {
        Vector numbers = Vector::from_shape({size});
        random_numbers(seed, tensor_++, 0, size, 0.1f, numbers.data());
        return rounded(Precision::bfloat16, std::move(numbers));
    }

    std::shared_ptr<const void> storage() const { return memory_; }

private:
    using Block = std::vector<std::byte>;

    // Random numbers of standard deviation 1/√in.
    const Block& block_of(std::size_t in) {
        Block& block = blocks_[in];
        if (block.empty()) {
            std::vector<float> numbers(block_numbers);
            random_numbers(seed, tensor_++, 0, block_numbers, 1.0f / std::sqrt(static_cast<float>(in)), numbers.data());
            block.resize(block_numbers * sizeof(std::uint16_t));
            from_float32(numbers.data(), block_numbers, DType::bfloat16, block.data());
        }
        return block;
    }

    static void repeat(const Block& block, std::byte* target, std::size_t bytes) {
        const std::size_t copies = (bytes + block.size() - 1) / block.size();
        parallel_for(copies, 1, [&](std::size_t first, std::size_t last) {
            for (std::size_t i = first; i < last; ++i) {
                const std::size_t start = i * block.size();
                std::memcpy(target + start, block.data(), std::min(block.size(), bytes - start));
            }
        });
    }

    std::shared_ptr<const Memory> memory_;
    std::byte* next_;
    std::map<std::size_t, Block> blocks_;
    std::uint64_t tensor_ = 0;
};

}  // namespace

std::size_t weight_bytes(const Config& config) {
    std::size_t numbers = 0;
    for (const Parameter& parameter : parameters(config)) numbers += element_count(parameter.info.shape);
    return numbers * size_of(DType::bfloat16);
}

Weights random_weights(const Config& config) {
    const std::size_t D = config.hidden_size, F = config.intermediate_size;
    const std::size_t query = config.num_attention_heads * config.head_dim;  // H·d
    const std::size_t key = config.num_key_value_heads * config.head_dim;    // K·d
    Maker make(config);
    Weights weights;
    weights.embed_tokens = make.matrix(config.vocab_size, D);
    for (std::size_t i = 0; i < config.num_hidden_layers; ++i) {
        LayerWeights& layer = weights.layers.emplace_back();
        layer.input_layernorm = make.norm(D);
        layer.self_attn = {make.matrix(query, D), make.matrix(key, D), make.matrix(key, D), make.matrix(D, query)};
        layer.post_attention_layernorm = make.norm(D);
        layer.mlp = {make.matrix(F, D), make.matrix(F, D), make.matrix(D, F)};
    }
    weights.norm = make.norm(D);
    weights.storage = make.storage();
    return weights;
}

}  // namespace gemma::bench
