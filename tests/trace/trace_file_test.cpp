#include "gemma/trace/trace_file.hpp"

#include "gemma/error.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/tiny_record.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

using namespace gemma;

namespace {

// A .safetensors file made by hand.
struct HandmadeFile {
    Metadata metadata = {{"format_version", "1"}};
    std::vector<TensorInfo> tensors = {{"tokens", DType::int64, {2}}, {"model.norm", DType::float32, {2, 3}}};
    std::vector<std::int64_t> tokens = {2, 5};

    // Numbers 0, 1, 2, … in every tensor but the tokens.
    void write(const std::filesystem::path& file) const {
        SafetensorsWriter writer(file, tensors, metadata);
        for (const TensorInfo& tensor : tensors) {
            if (tensor.name == "tokens" && tensor.dtype == DType::int64) {
                writer.write(tokens.data(), tensor.bytes());
                continue;
            }
            std::vector<float> numbers(element_count(tensor.shape));
            for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i);
            std::vector<std::byte> bytes(tensor.bytes());
            if (tensor.dtype != DType::int64) from_float32(numbers.data(), numbers.size(), tensor.dtype, bytes.data());
            writer.write(bytes.data(), bytes.size());
        }
        writer.finish();
    }
};

std::string error_of(const HandmadeFile& handmade) {
    const TemporaryDirectory directory;
    const std::filesystem::path file = directory / "trace.safetensors";
    handmade.write(file);
    const std::string message = message_of<Error>([&] { TraceFile{file}; });
    CHECK(message.find('\n') == std::string::npos);
    if (message.empty()) return "";
    const std::string start = file.string() + ": ";
    REQUIRE(message.substr(0, start.size()) == start);
    return message.substr(start.size());
}

}  // namespace

TEST_CASE("what was recorded comes back bit for bit, from memory and from disk") {
    const TemporaryDirectory directory;
    const std::filesystem::path file = directory / "trace.safetensors";
    for (const bool streamed : {false, true}) {
        Recorder recorder({{}, {}, streamed ? file : std::filesystem::path()});
        record(recorder);
        write_trace(file, recorder, {"a \"prompt\"\nof two lines, ü", "tiny", "float32", "a test", tiny_prompt});
        CHECK(directory.entries() == 1);

        const TraceFile trace(file);
        CHECK(trace.header().prompt == "a \"prompt\"\nof two lines, ü");
        CHECK(trace.header().model == "tiny");
        CHECK(trace.header().precision == "float32");
        CHECK(trace.header().producer == "a test");
        CHECK(trace.header().tokens == tiny_prompt);
        CHECK(trace.range().all());
        REQUIRE(trace.names() == recorder.names());
        for (const std::string& name : recorder.names()) {
            CHECK(trace.shape(name) == recorder.shape(name));
            CHECK(trace.tensor(name).numbers == recorder.tensor(name).numbers);
        }
    }
}

TEST_CASE("the file holds the tokens, then the tensors in the order of the forward pass") {
    const TemporaryDirectory directory;
    Recorder recorder;
    record(recorder);
    write_trace(directory / "t.safetensors", recorder, {"", "", "", "", tiny_prompt});
    const SafetensorsFile file(directory / "t.safetensors");
    REQUIRE(file.tensors().size() == recorder.names().size() + 1);
    CHECK(file.metadata().at("format_version") == "1");
    CHECK(file.metadata().count("token_range") == 0);
    CHECK(file.tensors()[0].name == "tokens");
    CHECK(file.tensors()[0].dtype == DType::int64);
    for (std::size_t i = 0; i < recorder.names().size(); ++i) {
        CHECK(file.tensors()[i + 1].name == recorder.names()[i]);
        CHECK(file.tensors()[i + 1].dtype == DType::float32);
    }
}

TEST_CASE("a file of some tokens' rows says which") {
    const TemporaryDirectory directory;
    Recorder recorder({{}, {1, 4}, {}});
    record(recorder);
    write_trace(directory / "t.safetensors", recorder, {"", "", "", "", tiny_prompt});
    const TraceFile trace(directory / "t.safetensors");
    CHECK(trace.range().begin == 1);
    CHECK(trace.range().end == 4);
    CHECK(trace.shape("model.layers.0.self_attn.probs") == Shape{4, 3, 5});
    CHECK(trace.shape("model.norm")[0] == 3);
}

TEST_CASE("a file of a prompt and its continuation says where the prompt ends") {
    const TemporaryDirectory directory;
    const std::filesystem::path file = directory / "t.safetensors";
    Recorder recorder;
    record(recorder);
    TraceHeader header{"", "", "", "", tiny_prompt};
    write_trace(file, recorder, header);
    CHECK(SafetensorsFile(file).metadata().count("prompt_tokens") == 0);
    CHECK(TraceFile(file).header().prompt_tokens == 0);
    header.prompt_tokens = 3;
    write_trace(file, recorder, header);
    CHECK(SafetensorsFile(file).metadata().at("prompt_tokens") == "3");
    CHECK(TraceFile(file).header().prompt_tokens == 3);
}

TEST_CASE("names are in the order of the forward pass when the file is in another") {
    HandmadeFile handmade;
    handmade.tensors = {{"lm_head", DType::float32, {2, 3}},
                        {"model.layers.10", DType::float32, {2, 3}},
                        {"tokens", DType::int64, {2}},
                        {"model.layers.2", DType::float32, {2, 3}}};
    const TemporaryDirectory directory;
    handmade.write(directory / "t.safetensors");
    CHECK(TraceFile(directory / "t.safetensors").names() ==
          std::vector<std::string>{"model.layers.2", "model.layers.10", "lm_head"});
}

TEST_CASE("bfloat16 and float16 tensors are read as float32") {
    const TemporaryDirectory directory;
    for (const DType dtype : {DType::bfloat16, DType::float16, DType::float32}) {
        HandmadeFile handmade;
        handmade.tensors[1].dtype = dtype;
        handmade.write(directory / "t.safetensors");
        CHECK(TraceFile(directory / "t.safetensors").tensor("model.norm").numbers ==
              std::vector<float>{0, 1, 2, 3, 4, 5});
    }
}

TEST_CASE("files that are no traces are errors in one line") {
    CHECK(error_of({}) == "");
    HandmadeFile handmade;
    handmade.metadata = {};
    CHECK(error_of(handmade) == "found no format_version in the metadata, expected a trace file of version 1");
    handmade.metadata = {{"format_version", "2"}};
    CHECK(error_of(handmade) == "the trace file's format_version is \"2\", expected \"1\"");

    handmade = {};
    handmade.tensors.erase(handmade.tensors.begin());
    CHECK(error_of(handmade) == "found no tensor \"tokens\", expected the run's token ids");

    handmade = {};
    handmade.tensors[0].dtype = DType::float32;
    CHECK(error_of(handmade) == "tokens are float32, expected int64");

    handmade = {};
    handmade.tokens = {2, -1};
    CHECK(error_of(handmade) == "token 1 is -1, expected a token id");
    handmade.tokens = {std::int64_t{1} << 40, 2};
    CHECK(error_of(handmade) == "token 0 is 1099511627776, expected a token id");

    handmade = {};
    handmade.tensors[1].dtype = DType::int64;
    CHECK(error_of(handmade) == "model.norm is int64, expected float32, bfloat16 or float16");

    handmade = {};
    handmade.tensors[1].shape = {3, 2};
    CHECK(error_of(handmade) == "model.norm has shape [3, 2], expected at most 2 rows, one a token");
    handmade.tensors[1] = {"model.layers.0.self_attn.probs", DType::float32, {4, 2, 3}};
    CHECK(error_of(handmade) ==
          "model.layers.0.self_attn.probs has shape [4, 2, 3], expected a last axis of 2, the tokens");

    handmade = {};
    handmade.metadata["token_range"] = "4";
    CHECK(error_of(handmade).find("token_range in the metadata: found \"4\", expected a:b") == 0);

    for (const std::string count : {"0", "3", "-1", "two", "2 "}) {
        handmade = {};
        handmade.metadata["prompt_tokens"] = count;
        CHECK(error_of(handmade) ==
              "prompt_tokens in the metadata: found \"" + count + "\", expected a count from 1 to 2, the tokens");
    }
}

TEST_CASE("a file of any named tensors can be read where that is asked for") {
    const TemporaryDirectory directory;
    const std::filesystem::path path = directory / "t.safetensors";
    HandmadeFile handmade;
    handmade.metadata = {{"format", "pt"}};
    handmade.tensors = {{"input_ids", DType::int64, {1, 2}}, {"model.norm", DType::float32, {1, 2, 3}}};
    handmade.write(path);
    CHECK(message_of<Error>([&] { TraceFile{path}; }) != "");
    const TraceFile file(path, TraceFile::Accept::any_tensors);
    CHECK(file.names() == std::vector<std::string>{"model.norm"});
    CHECK(file.shape("model.norm") == Shape{1, 2, 3});
    CHECK(file.header().tokens.empty());
    CHECK(file.header().model == "");
    CHECK(file.range().all());
}

TEST_CASE("a tensor that is not there is an error") {
    const TemporaryDirectory directory;
    const std::filesystem::path path = directory / "t.safetensors";
    HandmadeFile().write(path);
    const TraceFile file(path);
    CHECK(message_of<Error>([&] { file.tensor("x"); }) == path.string() + ": found no tensor \"x\"");
    CHECK(message_of<Error>([&] { file.shape("x"); }) != "");
}

TEST_CASE("a record that fails half way leaves no file") {
    class Failing : public Record {
    public:
        std::vector<std::string> names() const override { return {"model.norm", "lm_head"}; }
        gemma::Shape shape(const std::string&) const override { return {2, 3}; }
        RecordedTensor tensor(const std::string& name) const override {
            if (name == "lm_head") fail("lm_head fails");
            return {{2, 3}, std::vector<float>(6)};
        }
        TokenRange range() const override { return {}; }
    };
    const TemporaryDirectory directory;
    CHECK(message_of<Error>([&] {
              write_trace(directory / "t.safetensors", Failing(), {"", "", "", "", {2, 5}});
          }) == "lm_head fails");
    CHECK(directory.entries() == 0);
}
