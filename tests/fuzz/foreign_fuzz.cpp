// Traces of other programs. The first letter of an input says what the rest is: an .npz file (z), a .safetensors file
// (s), or the user's list of names beside a good file (n). The second is the layout asked for: heads first (h), ggml's
// (g), or automatic (a). The third says whether the sizes of the model are known (k) or not (u).
#include "gemma/trace/foreign_trace.hpp"
#include "tests/fuzz/memory_file.hpp"
#include "tests/fuzz/target.hpp"
#include "tests/fuzz/zip.hpp"
#include "tests/support/temporary_directory.hpp"

#include <filesystem>
#include <utility>

namespace {

using namespace gemma;

std::string theirs(const std::string& name) {
    return fuzz::safetensors("{\"" + name + R"(":{"dtype":"F32","shape":[2,4],"data_offsets":[0,32]}})",
                             std::string(32, '\0'));
}

// The file in memory under a name with an ending, which tells the reader what it is.
struct Files {
    Files() {
        const std::string path = memory.with("");
        for (const char* const name : {"input.npz", "input.safetensors", "names.json"}) {
            std::filesystem::create_symlink(path, directory / name);
        }
        write_file(directory / "good.safetensors", theirs("norm_output"));
    }

    TemporaryDirectory directory;
    fuzz::MemoryFile memory;
};

void read_all(const ForeignTrace& trace) {
    for (const std::string& name : trace.names()) {
        const RecordedTensor tensor = trace.tensor(name);
        fuzz::require(tensor.shape == trace.shape(name), "a tensor has its shape");
        fuzz::require(tensor.numbers.size() == element_count(tensor.shape), "a tensor has all its numbers");
        fuzz::require(!trace.name_in_file(name).empty(), "a tensor has a name in the file");
    }
    for (const LeftOut& left : trace.left_out()) fuzz::require(!left.reason.empty(), "there is a reason");
}

TraceSizes known_sizes() {
    TraceSizes sizes;
    sizes.T = sizes.H = sizes.d = 2, sizes.D = 4, sizes.K = sizes.L = 1, sizes.F = 6, sizes.V = 8;
    return sizes;
}

void read(const std::string& input) {
    static Files files;
    if (input.size() < 3) return;
    files.memory.with(input.substr(3));
    const Layout layout = input[1] == 'h' ? Layout::heads_first : input[1] == 'g' ? Layout::ggml : Layout::automatic;
    const TraceSizes sizes = input[2] == 'k' ? known_sizes() : TraceSizes{};
    fuzz::taken([&] {
        if (input[0] == 'n') {
            read_all(
                ForeignTrace(files.directory / "good.safetensors", sizes, {files.directory / "names.json", layout}));
        } else {
            const char* const name = input[0] == 'z' ? "input.npz" : "input.safetensors";
            read_all(ForeignTrace(files.directory / name, sizes, {"", layout}));
        }
    });
}

std::vector<std::pair<char, std::string>> contents() {
    using fuzz::npy;
    const std::string f4 = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 2, 2), }";
    const std::string numbers(32, '\1');
    return {{'z', fuzz::zip("blocks.0.attn.hook_q.npy", npy(1, f4, numbers), false)},
            {'z', fuzz::zip("Qcur-0.npy", npy(1, f4, numbers), true)},
            {'z', fuzz::zip("tokens.npy",
                            npy(1, "{'descr': '<i4', 'fortran_order': False, 'shape': (2,)}",
                                fuzz::little_endian(2, 4) + fuzz::little_endian(5, 4)),
                            false)},
            {'z', fuzz::zip("model.norm.npy",
                            npy(1, "{'descr': '<f2', 'fortran_order': True, 'shape': (2, 4)}", std::string(16, '\1')),
                            false)},
            {'s', theirs("model.layers.0.self_attn.qkv_proj")},
            {'s', theirs("hidden_states.1")},
            {'s', theirs("l_out-0")},
            {'n', R"({"norm_output":"model.norm"})"},
            {'n', R"({"norm_{i}":"model.layers.{i}.mlp.gated","x":"lm_head"})"}};
}

std::vector<std::string> seeds() {
    std::vector<std::string> all;
    for (const auto& [kind, content] : contents()) {
        for (const char* const how : {"au", "ak", "hu", "hk", "gu", "gk"}) all.push_back(kind + (how + content));
    }
    return all;
}

const fuzz::Register target({"foreign", read, seeds});

}  // namespace
