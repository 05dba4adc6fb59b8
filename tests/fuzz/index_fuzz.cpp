// model.safetensors.index.json, beside two shards.
#include "gemma/checkpoint/checkpoint.hpp"
#include "tests/fuzz/memory_file.hpp"
#include "tests/fuzz/safetensors.hpp"
#include "tests/fuzz/target.hpp"
#include "tests/support/temporary_directory.hpp"

#include <filesystem>

namespace {

using namespace gemma;

struct Model {
    Model() {
        write_file(directory / "one.safetensors",
                   fuzz::safetensors(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                                     R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                                     "12345678"));
        write_file(directory / "two.safetensors",
                   fuzz::safetensors(R"({"c":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "1234"));
        std::filesystem::create_symlink(index.with(""), directory / "model.safetensors.index.json");
    }

    TemporaryDirectory directory;
    fuzz::MemoryFile index;
};

void read(const std::string& input) {
    static Model model;
    model.index.with(input);
    fuzz::taken([&] {
        const Checkpoint checkpoint(model.directory.path());
        fuzz::require(checkpoint.files().size() <= 2, "only the two files beside the index are opened");
        for (const char* const name : {"a", "b", "c"}) {
            if (checkpoint.find(name) != nullptr) fuzz::sum(checkpoint.tensor(name, {1}).data, 4);
        }
    });
}

std::vector<std::string> seeds() {
    return {
        R"({"metadata":{"total_size":12},"weight_map":{"a":"one.safetensors","c":"two.safetensors"}})",
        R"({"weight_map":{"a":"../one.safetensors"}})",
        R"({"weight_map":{"b":"two.safetensors"}})",
        R"({"weight_map":{"c":"/two.safetensors","c":""}})",
        R"({"weight_map":[]})",
    };
}

const fuzz::Register target({"index", read, seeds});

}  // namespace
