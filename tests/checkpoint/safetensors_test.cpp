// .safetensors: what is written is read back, and nothing that a file may hold brings the reader down.

#include "gemma/checkpoint/safetensors.hpp"
#include "gemma/error.hpp"
#include "tests/support/contains.hpp"
#include "tests/support/temporary_directory.hpp"

#include <doctest/doctest.h>

#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace gemma {
namespace {

namespace fs = std::filesystem;

// The 8 bytes of a header's length, little endian.
std::string length_of(std::uint64_t length) {
    std::string bytes;
    for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(length >> 8 * i & 0xff));
    return bytes;
}

std::string file_of(const std::string& header, const std::string& numbers = "") {
    return length_of(header.size()) + header + numbers;
}

// What opening a file with this content says; "" when it opens.
std::string message_for_content(const std::string& content) {
    const TemporaryDirectory directory;
    write_file(directory / "x.safetensors", content);
    return message_of<Error>([&] { SafetensorsFile(directory / "x.safetensors"); });
}

// The same for a header with 8 bytes of numbers after it.
std::string message_for_header(const std::string& header) { return message_for_content(file_of(header, "12345678")); }

void write_numbers(SafetensorsWriter& writer, const std::vector<float>& numbers) {
    writer.write(numbers.data(), numbers.size() * sizeof(float));
}

}  // namespace

TEST_CASE("What is written is read back: names, dtypes, shapes, numbers, metadata") {
    const TemporaryDirectory directory;
    const fs::path path = directory / "x.safetensors";
    const std::vector<TensorInfo> infos = {{"tokens", DType::int64, {2}},  {"b", DType::float32, {2, 3}},
                                           {"a", DType::bfloat16, {3}},    {"empty", DType::float16, {0, 7}},
                                           {"scalar", DType::float16, {}}, {"grüße \"x\"", DType::float32, {1}}};
    const Metadata metadata = {{"prompt", "line 1\nline \"2\""}, {"model", "nano"}};
    const std::string numbers = "................0123456789abcdefghijklmnABCDEFZZ....";
    {
        SafetensorsWriter writer(path, infos, metadata);
        for (const char number : numbers) writer.write(&number, 1);
        CHECK(!fs::exists(path));
        writer.finish();
    }
    CHECK(directory.entries() == 1);
    const SafetensorsFile file(path);
    CHECK(file.metadata() == metadata);
    REQUIRE(file.tensors().size() == infos.size());
    std::size_t offset = 0;
    for (std::size_t i = 0; i < infos.size(); ++i) {
        const StoredTensor* const found = file.find(infos[i].name);
        REQUIRE(found != nullptr);
        CHECK(found->dtype == infos[i].dtype);
        CHECK(found->shape == infos[i].shape);
        CHECK(std::string(reinterpret_cast<const char*>(found->data), found->bytes()) ==
              numbers.substr(offset, infos[i].bytes()));
        offset += infos[i].bytes();
    }
    CHECK(file.tensors()[0].name == "tokens");
    CHECK(file.find("none") == nullptr);
    CHECK(reinterpret_cast<std::uintptr_t>(file.tensors()[0].data) % 8 == 0);
}

TEST_CASE("A file without tensors is a file") {
    const TemporaryDirectory directory;
    SafetensorsWriter(directory / "x", {}).finish();
    const SafetensorsFile file(directory / "x");
    CHECK(file.tensors().empty());
    CHECK(file.metadata().empty());
}

TEST_CASE("An open file can be moved") {
    const TemporaryDirectory directory;
    SafetensorsWriter writer(directory / "x", {{"a", DType::float32, {1}}});
    write_numbers(writer, {1.5f});
    writer.finish();
    std::vector<SafetensorsFile> files;
    files.emplace_back(directory / "x");
    SafetensorsFile moved = std::move(files[0]);
    files.clear();
    float value;
    std::memcpy(&value, moved.find("a")->data, sizeof value);
    CHECK(value == 1.5f);
}

TEST_CASE("Text that is no UTF-8 in the metadata does not stop a write") {
    const TemporaryDirectory directory;
    SafetensorsWriter(directory / "x", {}, {{"prompt", "\xff\xfe"}}).finish();
    CHECK(SafetensorsFile(directory / "x").metadata().count("prompt") == 1);
}

TEST_CASE("The fixtures and the small model open") {
    CHECK(SafetensorsFile(fs::path(GEMMA_FIXTURES) / "tiny/one_layer/model.safetensors").tensors().size() == 11);
    CHECK(SafetensorsFile(fs::path(GEMMA_FIXTURES) / "tiny/one_layer/expected.safetensors").find("lm_head") != nullptr);
}

TEST_CASE("The malformed-file zoo: each is refused in one line that names the file and what is wrong") {
    const std::pair<std::string, std::string> zoo[] = {
        {message_for_content(""), "found 0 bytes"},
        {message_for_content("1234567"), "found 7 bytes"},
        {message_for_content(length_of(3) + "{}"), "header of 3 bytes, expected at most 2"},
        {message_for_content(length_of(~0ull) + "{}"), "header of 18446744073709551615 bytes"},
        {message_for_content(length_of(1ull << 63) + "{}"), "header of"},
        {message_for_content(file_of("")), "not valid JSON"},
        {message_for_content(file_of("hello")), "not valid JSON at line 1, column 1"},
        {message_for_content(file_of("{\"a\":")), "not valid JSON"},
        {message_for_content(file_of("[]")), "JSON of type array, expected an object"},
        {message_for_content(file_of("{\"\xff\":1}")), "not valid JSON"},
        {message_for_content(file_of("{\"a\":1e999}")), "number too large"},
        {message_for_content(file_of("{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + "}")),
         "nested deeper"},
        {message_for_content(file_of("{\"a\":1}")), "tensor a is described by 1"},
        {message_for_content(file_of("{\"a\\n\":1}")), "\"a\\n\", expected a printable name"},
        {message_for_content(file_of("{\"__metadata__\":{\"a\":1}}")), "expected an object of texts"},
        {message_for_content(file_of("{\"__metadata__\":\"a\"}")), "expected an object of texts"},
        {message_for_content(file_of("{}", "x")), "found 1 bytes of data, expected 0"},
        {message_for_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})"), ""},
        {message_for_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}  )"), ""},
        {message_for_header(R"({"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}})"),
         "dtype \"F64\", expected F32"},
        {message_for_header(R"({"a":{"shape":[2],"data_offsets":[0,8]}})"), "dtype null"},
        {message_for_header(R"({"a":{"dtype":32,"shape":[2],"data_offsets":[0,8]}})"), "dtype 32"},
        {message_for_header(R"({"a":{"dtype":"F32","data_offsets":[0,8]}})"), "shape null"},
        {message_for_header(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})"), "shape [-2]"},
        {message_for_header(R"({"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})"), "shape [2.0]"},
        {message_for_header(R"({"a":{"dtype":"F32","shape":"2","data_offsets":[0,8]}})"), "shape \"2\""},
        {message_for_header(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})"),
         "8 bytes, expected as many as [3]"},
        {message_for_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})"),
         "8 bytes, expected as many as [1]"},
        {message_for_header(R"({"a":{"dtype":"F32","shape":[0],"data_offsets":[0,8]}})"), "expected as many as [0]"},
        {message_for_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,7]}})"), "7 bytes"},
        // Products that are 2 and 0 when they are taken modulo 2^64.
        {message_for_header(R"({"a":{"dtype":"F32","shape":[9223372036854775809,2],"data_offsets":[0,8]}})"),
         "8 bytes"},
        {message_for_header(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})"),
         "0 bytes"},
        {message_for_header(R"({"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}})"), "0 bytes"},
        {message_for_header(R"({"a":{"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,8]}})"),
         "whole numbers"},
        {message_for_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,9]}})"), "within the 8 bytes"},
        {message_for_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})"), "begin and an end"},
        {message_for_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}})"), "data_offsets [-8,0]"},
        {message_for_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}})"), "begin and an end"},
        {message_for_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615]}})"), "within"},
        {message_for_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})"),
         "begins at byte 4 of the data, expected 0"},
        {message_for_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})"),
         "found 8 bytes of data, expected 4"},
        {message_for_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
                                "b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})"),
         "tensor b begins at byte 4 of the data, expected 8"},
        {message_for_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
                                "b":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}})"),
         "tensor b begins at byte 4"},
        {message_for_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
                                "a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})"),
         "found \"a\" twice"},
        {message_for_header(R"({"a":{"dtype":"F32","dtype":"BF16","shape":[2],"data_offsets":[0,8]}})"),
         "\"dtype\" twice"},
    };
    for (const auto& row : zoo) {
        const std::string &message = row.first, &expected = row.second;
        INFO(message);
        INFO(expected);
        CHECK(contains(message, expected));
        CHECK(message.empty() == expected.empty());
        CHECK((message.empty() || contains(message, "x.safetensors: ")));
        CHECK(!contains(message, "\n"));
    }
}

TEST_CASE("What is no file is refused") {
    const TemporaryDirectory directory;
    CHECK(contains(message_of<Error>([&] { SafetensorsFile(directory / "none"); }), "No such file"));
    CHECK(contains(message_of<Error>([&] { SafetensorsFile(directory.path()); }), "found a directory"));
    CHECK(contains(message_of<Error>([&] { SafetensorsFile("/dev/null"); }), "found a device or pipe"));
}

TEST_CASE("A file cut short at any length, or with any byte changed, is read or refused") {
    const TemporaryDirectory directory;
    const fs::path path = directory / "x.safetensors";
    {
        SafetensorsWriter writer(path, {{"first", DType::float32, {2, 2}}, {"second", DType::bfloat16, {3}}},
                                 {{"k", "v"}});
        writer.write("0123456789abcdef......", 22);
        writer.finish();
    }
    const std::string whole = read_file(path);
    const auto open = [&](const std::string& content) {
        write_file(path, content);
        return message_of<Error>([&] {  // any other exception fails the test
            const SafetensorsFile file(path);
            for (const StoredTensor& tensor : file.tensors()) {  // every byte that it promises is there
                unsigned sum = 0;
                for (std::size_t i = 0; i < tensor.bytes(); ++i) sum += std::to_integer<unsigned>(tensor.data[i]);
                CHECK(sum <= 255 * tensor.bytes());
            }
        });
    };
    CHECK(open(whole).empty());
    for (std::size_t length = 0; length < whole.size(); ++length) CHECK(!open(whole.substr(0, length)).empty());
    std::mt19937 random(1);
    for (int i = 0; i < 3000; ++i) {
        std::string broken = whole;
        for (unsigned flips = 1 + random() % 3; flips > 0; --flips) {
            broken[random() % broken.size()] = static_cast<char>(random());
        }
        open(broken);
    }
}

TEST_CASE("Opening a file of 6 GB reads its header only") {
    const TemporaryDirectory directory;
    const fs::path path = directory / "large.safetensors";
    write_file(path, file_of(R"({"a":{"dtype":"F32","shape":[1500000000],"data_offsets":[0,6000000000]}})"));
    fs::resize_file(path, fs::file_size(path) + 6000000000);  // a hole: takes no room
    const auto start = std::chrono::steady_clock::now();
    const SafetensorsFile file(path);
    CHECK(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() < 1.0);
    CHECK(file.tensors()[0].bytes() == 6000000000);
    CHECK(file.tensors()[0].data[5999999999] == std::byte{0});
}

TEST_CASE("A write that does not finish leaves nothing, and what was there stays") {
    const TemporaryDirectory directory;
    const fs::path path = directory / "x.safetensors";
    const std::vector<TensorInfo> one = {{"a", DType::float32, {2}}};
    write_file(path, "old");
    { SafetensorsWriter writer(path, one); }
    CHECK(contains(message_of<Error>([&] {
                       SafetensorsWriter writer(path, one);
                       write_numbers(writer, {1.0f});
                       writer.finish();
                   }),
                   "4 bytes were written, expected 8"));
    CHECK(contains(message_of<Error>([&] {
                       SafetensorsWriter writer(path, one);
                       write_numbers(writer, {1.0f, 2.0f, 3.0f});
                   }),
                   "expected 8 in all"));
    CHECK(directory.entries() == 1);
    CHECK(read_file(path) == "old");
    SafetensorsWriter writer(path, one);
    write_numbers(writer, {1.0f, 2.0f});
    writer.finish();
    CHECK(SafetensorsFile(path).tensors().size() == 1);
}

TEST_CASE("What cannot be written is refused, in a line that names the file") {
    const TemporaryDirectory directory;
    const auto message = [&](const fs::path& path, const std::vector<TensorInfo>& tensors) {
        return message_of<Error>([&] { SafetensorsWriter(path, tensors).finish(); });
    };
    const TensorInfo a{"a", DType::float32, {0}};
    CHECK(contains(message(directory / "none" / "x", {}), "none/x: cannot be written (No such file or directory)"));
    CHECK(contains(message(directory.path(), {}), "expected the name of a file"));
    CHECK(contains(message("/dev/null", {}), "expected the name of a file"));
    CHECK(contains(message("", {}), "expected the name of a file"));
    CHECK(contains(message(directory / "x", {a, a}), "same name"));
    CHECK(contains(message(directory / "x", {{"__metadata__", DType::float32, {0}}}), "expected another name"));
    CHECK(directory.entries() == 0);
}

TEST_CASE("A disk without room ends in an Error and leaves nothing") {
    const TemporaryDirectory directory;
    struct rlimit before;
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    struct rlimit small = before;
    small.rlim_cur = 1 << 20;  // no file may grow beyond 1 MiB: the nearest thing to a full disk
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    const std::string message = message_of<Error>([&] {
        SafetensorsWriter writer(directory / "x", {{"a", DType::float32, {1 << 20}}});
        write_numbers(writer, std::vector<float>(1 << 20));
        writer.finish();
    });
    ::setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
    CHECK(contains(message, "x: cannot be written (File too large)"));
    CHECK(directory.entries() == 0);
}

}  // namespace gemma
