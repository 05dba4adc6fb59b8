// What libFuzzer calls: the one target that this program was linked with.
//
//   fuzz_config --seeds=FOLDER      writes the inputs to begin with into a folder, and ends
//   fuzz_config FOLDER ...          libFuzzer's own options
#include "tests/fuzz/target.hpp"

#include <cstdint>
#include <filesystem>
#include <fstream>

extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments) {
    const std::string first = *count > 1 ? (*arguments)[1] : "", option = "--seeds=";
    if (first.compare(0, option.size(), option) != 0) return 0;
    const std::filesystem::path folder = first.substr(option.size());
    std::filesystem::create_directories(folder);
    std::size_t number = 0;
    for (const std::string& seed : fuzz::targets().front().seeds()) {
        std::ofstream(folder / std::to_string(number++), std::ios::binary) << seed;
    }
    std::exit(0);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::targets().front().read({reinterpret_cast<const char*>(data), size});
    return 0;
}
