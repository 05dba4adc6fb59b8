// A model directory: one file or shards, and everything that can be wrong with them.

#include "gemma/checkpoint/checkpoint.hpp"
#include "gemma/checkpoint/embedded.hpp"
#include "gemma/error.hpp"
#include "tests/support/contains.hpp"
#include "tests/support/temporary_directory.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace gemma {
namespace {

namespace fs = std::filesystem;

// A file with tensors of two float32 numbers.
void write_tensors(const fs::path& path, const std::vector<std::string>& names) {
    std::vector<TensorInfo> infos;
    for (const std::string& name : names) infos.push_back({name, DType::float32, {2}});
    SafetensorsWriter writer(path, infos);
    for (std::size_t i = 0; i < names.size(); ++i) writer.write("12345678", 8);
    writer.finish();
}

// What opening a directory with two shards and this index says; "" when it opens.
std::string message_for_index(const std::string& index) {
    const TemporaryDirectory directory;
    write_tensors(directory / "one.safetensors", {"a", "b"});
    write_tensors(directory / "two.safetensors", {"c"});
    write_file(directory / "model.safetensors.index.json", index);
    return message_of<Error>([&] { Checkpoint{directory.path()}; });
}

std::string message_for_directory(const fs::path& directory) {
    return message_of<Error>([&] { Checkpoint{directory}; });
}

// Sets an environment variable for one scope.
class Environment {
public:
    Environment(const char* name, const std::string& value) : name_(name) {
        const char* const before = std::getenv(name);
        was_set_ = before != nullptr;
        if (was_set_) before_ = before;
        ::setenv(name, value.c_str(), 1);
    }
    ~Environment() { was_set_ ? ::setenv(name_, before_.c_str(), 1) : ::unsetenv(name_); }
    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;

private:
    const char* name_;
    std::string before_;
    bool was_set_;
};

}  // namespace

TEST_CASE("A checkpoint of one file") {
    const TemporaryDirectory directory;
    write_tensors(directory / "model.safetensors", {"a", "b"});
    const Checkpoint checkpoint(directory.path());
    CHECK(checkpoint.tensors().size() == 2);
    CHECK(checkpoint.tensor("b", {2}).name == "b");
    CHECK(checkpoint.find("c") == nullptr);
    CHECK(contains(message_of<Error>([&] {
                       checkpoint.tensor("c", {2, 3});
                   }),
                   "there is no tensor c, expected [2, 3]"));
    CHECK(contains(message_of<Error>([&] {
                       checkpoint.tensor("a", {1, 2});
                   }),
                   "model.safetensors: a has shape [2], expected [1, 2]"));
}

TEST_CASE("A checkpoint of shards") {
    const Checkpoint checkpoint(fs::path(GEMMA_FIXTURES) / "tiny/sharded");
    CHECK(checkpoint.files().size() == 7);
    CHECK(checkpoint.tensors().size() == 20);
    CHECK(checkpoint.tensors()[0].name == "model.embed_tokens.weight");
    CHECK(checkpoint.tensor("model.norm.weight", {48}).dtype == DType::bfloat16);
}

TEST_CASE("An index says where tensors are, and is not believed") {
    CHECK(message_for_index(R"({"weight_map": {"a": "one.safetensors", "c": "two.safetensors"}})").empty());
    const std::pair<std::string, std::string> zoo[] = {
        {R"({"weight_map": {"a": "three.safetensors"}})", "three.safetensors: cannot be opened"},
        {R"({"weight_map": {"c": "one.safetensors"}})", "\"c\" is not in one.safetensors"},
        {R"({"weight_map": {"a": "../one.safetensors"}})",
         "\"a\" lies in \"../one.safetensors\", expected the name of a file"},
        {R"({"weight_map": {"a": "/tmp/one.safetensors"}})", "beside the index"},
        {R"({"weight_map": {"a": "x/../one.safetensors"}})", "beside the index"},
        {R"({"weight_map": {"a": ".."}})", "beside the index"},
        {R"({"weight_map": {"a": "."}})", "beside the index"},
        {R"({"weight_map": {"a": ""}})", "beside the index"},
        {R"({"weight_map": {"a": 1}})", "\"a\" lies in 1"},
        {R"({"weight_map": {"a": "one.safetensors", "a": "two.safetensors"}})", "\"a\" twice"},
        {R"({"weight_map": {}})", "weight_map is {}"},
        {R"({"weight_map": []})", "weight_map is []"},
        {"{}", "weight_map is null"},
        {"[]", "expected an object"},
        {"", "not valid JSON at line 1, column 1"},
        {"{\n  \"weight_map\": oops\n}", "not valid JSON at line 2, column 17"},
        {R"({"weight_map": {"a": "one.safetensors\u0000"}})",
         "\"one.safetensors\\u0000\", expected the name of a file"},
        {R"({"weight_map": {"a": "one\n.safetensors"}})", "beside the index"},
    };
    for (const auto& row : zoo) {
        const std::string &index = row.first, &expected = row.second;
        const std::string message = message_for_index(index);
        INFO(index);
        INFO(message);
        CHECK(contains(message, expected));
        CHECK(!contains(message, "\n"));
    }
}

TEST_CASE("A directory without weights is refused, with a hint for other formats") {
    const TemporaryDirectory directory;
    CHECK(contains(message_for_directory(directory / "none"), "none: no such directory, expected a model directory"));
    CHECK(contains(message_for_directory(directory.path()),
                   "no weights, expected model.safetensors or model.safetensors.index.json"));
    write_file(directory / "gemma-2b.ckpt", "x");
    CHECK(contains(message_for_directory(directory.path()),
                   "gemma-2b.ckpt is a PyTorch checkpoint: convert it with tests/reference/convert"));
    CHECK(contains(message_for_directory(directory / "gemma-2b.ckpt"), "gemma-2b.ckpt is a PyTorch checkpoint"));
    fs::remove(directory / "gemma-2b.ckpt");
    write_file(directory / "gemma-2b.gguf", "x");
    CHECK(contains(message_for_directory(directory.path()), "gemma-2b.gguf is a llama.cpp model"));
    fs::create_directory(directory / "model.safetensors");
    CHECK(contains(message_for_directory(directory.path()), "found a directory, expected a file"));
}

TEST_CASE("The small model is where GEMMA_NANO says, or in the source tree") {
    {
        const Environment unset("GEMMA_NANO", "");
        CHECK(fs::exists(embedded_model() / "config.json"));
    }
    const TemporaryDirectory directory;
    const Environment environment("GEMMA_NANO", directory.path().string());
    CHECK(contains(message_of<Error>([] { embedded_model(); }), "GEMMA_NANO is "));
    write_file(directory / "config.json", "{}");
    CHECK(embedded_model() == directory.path());
    CHECK(contains(message_of<Error>([] { embedded_instruct_model(); }), "instruct: no config.json"));
    fs::create_directory(directory / "instruct");
    write_file(directory / "instruct" / "config.json", "{}");
    CHECK(embedded_instruct_model() == directory / "instruct");
}

}  // namespace gemma
