// .safetensors: the header, and every byte that it promises.
#include "gemma/checkpoint/safetensors.hpp"
#include "tests/fuzz/memory_file.hpp"
#include "tests/fuzz/safetensors.hpp"
#include "tests/fuzz/target.hpp"

namespace {

using namespace gemma;

void read(const std::string& input) {
    static fuzz::MemoryFile file;
    const std::string& path = file.with(input);
    fuzz::taken([&] {
        const SafetensorsFile content(path);
        std::size_t bytes = 0;
        for (const StoredTensor& tensor : content.tensors()) {
            fuzz::require(content.find(tensor.name) == &tensor, "a tensor is found by its name");
            fuzz::sum(tensor.data, tensor.bytes());
            bytes += tensor.bytes();
        }
        fuzz::require(bytes <= input.size(), "tensors lie in the file, and not over each other");
    });
}

std::vector<std::string> seeds() {
    return {
        fuzz::safetensors("{}", ""),
        fuzz::safetensors(R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
                          "12345678"),
        fuzz::safetensors(R"({"a":{"dtype":"BF16","shape":[2,1],"data_offsets":[0,4]},)"
                          R"("b":{"dtype":"F16","shape":[],"data_offsets":[4,6]},)"
                          R"("c":{"dtype":"I64","shape":[0,7],"data_offsets":[6,6]}}  )",
                          "123456"),
        fuzz::safetensors(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", ""),
        fuzz::safetensors(R"({"a":[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]],"a":1e999})", "x"),
    };
}

const fuzz::Register target({"safetensors", read, seeds});

}  // namespace
