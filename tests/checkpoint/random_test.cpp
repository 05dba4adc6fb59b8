// Random checkpoints: repeatable numbers of the right size, in directories that are whole or not there.

#include "gemma/checkpoint/random.hpp"
#include "gemma/checkpoint/checkpoint.hpp"
#include "gemma/error.hpp"
#include "gemma/model/weights.hpp"
#include "tests/support/contains.hpp"
#include "tests/support/temporary_directory.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace gemma {
namespace {

namespace fs = std::filesystem;

Config small_config() {
    Config config{};
    config.vocab_size = 1000;
    config.hidden_size = 64;
    config.intermediate_size = 300;
    config.num_hidden_layers = 2;
    config.num_attention_heads = 4;
    config.num_key_value_heads = 2;
    config.head_dim = 10;
    config.max_position_embeddings = 128;
    return config;
}

std::vector<float> values_of(const StoredTensor& tensor) {
    std::vector<float> values(element_count(tensor.shape));
    to_float32(tensor.data, tensor.dtype, values.size(), values.data());
    return values;
}

struct Moments {
    double mean = 0, standard_deviation = 0, kurtosis = 0;
};

Moments moments_of(const std::vector<float>& values) {
    Moments moments;
    const double n = static_cast<double>(values.size());
    for (const float value : values) moments.mean += value / n;
    double second = 0, fourth = 0;
    for (const float value : values) {
        const double square = (value - moments.mean) * (value - moments.mean);
        second += square / n;
        fourth += square * square / n;
    }
    return {moments.mean, std::sqrt(second), fourth / (second * second)};
}

}  // namespace

TEST_CASE("The numbers of a seed are the same on every machine") {
    float numbers[4];
    random_numbers(0, 0, 0, 4, 37837.2f, numbers);  // with this deviation they are whole
    const float expected[4] = {40516.0f, 20415.0f, 39464.0f, 59186.0f};
    for (int i = 0; i < 4; ++i) CHECK(numbers[i] == expected[i]);
}

TEST_CASE("Random numbers look normal, and differ between seeds, tensors and places") {
    std::vector<float> numbers(1000000), others(numbers.size());
    random_numbers(1, 2, 0, numbers.size(), 0.5f, numbers.data());
    const Moments moments = moments_of(numbers);
    CHECK(std::fabs(moments.mean) < 0.002);
    CHECK(moments.standard_deviation == doctest::Approx(0.5).epsilon(0.002));
    CHECK(moments.kurtosis == doctest::Approx(2.7).epsilon(0.01));  // the normal distribution's is 3
    const auto correlation = [&] {
        double sum = 0;
        for (std::size_t i = 0; i < numbers.size(); ++i) sum += numbers[i] * others[i];
        return sum / (0.25 * static_cast<double>(numbers.size()));
    };
    random_numbers(2, 2, 0, others.size(), 0.5f, others.data());
    CHECK(std::fabs(correlation()) < 0.005);
    random_numbers(1, 3, 0, others.size(), 0.5f, others.data());
    CHECK(std::fabs(correlation()) < 0.005);
    random_numbers(1, 2, 1, others.size(), 0.5f, others.data());
    CHECK(std::fabs(correlation()) < 0.005);
    CHECK(std::memcmp(&numbers[1], &others[0], 1000 * sizeof(float)) == 0);  // the same stream, one place on
}

TEST_CASE("A random checkpoint is a model directory with weights of the right size") {
    const TemporaryDirectory directory;
    std::size_t last = 0, all = 0;
    write_random_checkpoint(small_config(), directory / "model", 7, DType::float32,
                            [&](std::size_t done, std::size_t total) {
                                CHECK(done > last);
                                last = done;
                                all = total;
                            });
    CHECK(last == all);
    CHECK(directory.entries() == 1);
    const Config config = read_config(directory / "model" / "config.json");
    CHECK(config.torch_dtype == DType::float32);
    CHECK(config.head_dim == 10);
    const auto checkpoint = std::make_shared<const Checkpoint>(directory / "model");
    CHECK(load_weights(checkpoint, config).layers.size() == 2);
    std::size_t bytes = 0;
    for (const StoredTensor& tensor : checkpoint->tensors()) {
        INFO(tensor.name);
        const bool is_norm = tensor.shape.size() == 1;
        const double expected = is_norm ? 0.1 : 1 / std::sqrt(static_cast<double>(tensor.shape[1]));
        const Moments moments = moments_of(values_of(tensor));
        const double error = 4 / std::sqrt(static_cast<double>(element_count(tensor.shape)));
        CHECK(moments.standard_deviation == doctest::Approx(expected).epsilon(error));
        CHECK(std::fabs(moments.mean) < error * expected);
        bytes += tensor.bytes();
    }
    CHECK(bytes == all);
}

TEST_CASE("The same seed gives the same file; every dtype has the same numbers, rounded") {
    const TemporaryDirectory directory;
    write_random_checkpoint(small_config(), directory / "a", 7, DType::bfloat16);
    write_random_checkpoint(small_config(), directory / "b", 7, DType::bfloat16);
    write_random_checkpoint(small_config(), directory / "c", 8, DType::bfloat16);
    write_random_checkpoint(small_config(), directory / "wide", 7, DType::float32);
    const auto content = [&](const char* name) { return read_file(directory / name / "model.safetensors"); };
    CHECK(content("a") == content("b"));
    CHECK(content("a") != content("c"));
    const Checkpoint narrow(directory / "a"), wide(directory / "wide");
    for (const StoredTensor& tensor : wide.tensors()) {
        std::vector<std::byte> rounded(2 * element_count(tensor.shape));
        from_float32(values_of(tensor).data(), element_count(tensor.shape), DType::bfloat16, rounded.data());
        CHECK(std::memcmp(rounded.data(), narrow.tensor(tensor.name, tensor.shape).data, rounded.size()) == 0);
    }
}

TEST_CASE("What cannot be written whole is not written") {
    const TemporaryDirectory directory;
    const auto message = [&](const fs::path& path, const Config& config) {
        return message_of<Error>([&] { write_random_checkpoint(config, path, 0, DType::bfloat16); });
    };
    CHECK(contains(message(directory / "none" / "model", small_config()), "model: cannot be written"));
    write_file(directory / "file", "x");
    CHECK(contains(message(directory / "file", small_config()), "file: "));
    CHECK(contains(message(directory / "file" / "model", small_config()), "cannot be written"));
    fs::create_directory(directory / "full");
    write_file(directory / "full" / "notes.txt", "x");
    CHECK(contains(message(directory / "full", small_config()), "full: is not empty, expected a new directory"));
    Config huge = gemma_7b();
    huge.vocab_size = 1 << 24;
    huge.hidden_size = 1 << 20;
    CHECK(contains(message(directory / "huge", huge), "huge: found room for"));
    CHECK_THROWS_AS(write_random_checkpoint(small_config(), directory / "stopped", 0, DType::bfloat16,
                                            [](std::size_t, std::size_t) { throw std::runtime_error("stop"); }),
                    std::runtime_error);
    CHECK(directory.entries() == 2);
    CHECK(read_file(directory / "file") == "x");
}

TEST_CASE("An empty directory may be there already, and a slash at the end of its name") {
    const TemporaryDirectory directory;
    fs::create_directory(directory / "model");
    write_random_checkpoint(small_config(), directory.path().string() + "/model/", 0, DType::float16);
    CHECK(directory.entries() == 1);
    CHECK(Checkpoint(directory / "model").tensors().size() == 20);
}

}  // namespace gemma
