// Trace files, as our own and as files of any tensors.
#include "gemma/trace/trace_file.hpp"
#include "tests/fuzz/memory_file.hpp"
#include "tests/fuzz/safetensors.hpp"
#include "tests/fuzz/target.hpp"

namespace {

using namespace gemma;

void read(const std::string& input) {
    static fuzz::MemoryFile file;
    const std::string& path = file.with(input);
    for (const TraceFile::Accept accept : {TraceFile::Accept::traces, TraceFile::Accept::any_tensors}) {
        fuzz::taken([&] {
            const TraceFile trace(path, accept);
            fuzz::require(trace.header().prompt_tokens <= trace.header().tokens.size(),
                          "a prompt is part of the tokens");
            fuzz::require(trace.range().begin < trace.range().end, "a range has tokens");
            for (const std::string& name : trace.names()) {
                const RecordedTensor tensor = trace.tensor(name);
                fuzz::require(tensor.shape == trace.shape(name), "a tensor has its shape");
                fuzz::require(tensor.numbers.size() == element_count(tensor.shape), "a tensor has all its numbers");
            }
        });
    }
}

std::vector<std::string> seeds() {
    const std::string tokens = R"("tokens":{"dtype":"I64","shape":[2],"data_offsets":[0,16]})";
    const std::string ids = fuzz::little_endian(2, 8) + fuzz::little_endian(5, 8);
    return {
        fuzz::safetensors(R"({"__metadata__":{"format_version":"1","prompt":"a","token_range":"0:2"},)" + tokens + "}",
                          ids),
        fuzz::safetensors(R"({"__metadata__":{"format_version":"1","prompt_tokens":"1","edits":"--ablate x"},)" +
                              tokens + R"(,"lm_head":{"dtype":"F32","shape":[2,1],"data_offsets":[16,24]}})",
                          ids + "12345678"),
        fuzz::safetensors(R"({"__metadata__":{"format_version":"1"},)" + tokens +
                              R"(,"model.layers.1.self_attn.probs":{"dtype":"BF16","shape":[1,2,2],)"
                              R"("data_offsets":[16,24]}})",
                          ids + "12345678"),
        fuzz::safetensors(R"({"a":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}})", "12"),
    };
}

const fuzz::Register target({"trace", read, seeds});

}  // namespace
