#include "gemma/checkpoint/embedded.hpp"

#include "gemma/error.hpp"

#include <dlfcn.h>

#include <cstdlib>
#include <system_error>

namespace gemma {

namespace fs = std::filesystem;

namespace {

constexpr const char* variable = "GEMMA_NANO";

bool holds_model(const fs::path& directory) {
    std::error_code ignored;
    return fs::is_regular_file(directory / "config.json", ignored);
}

// GEMMA_INSTALLED_NANO counts from the folder of the library that this code is in.
fs::path installed_model() {
    Dl_info library;
    if (::dladdr(reinterpret_cast<const void*>(&embedded_model), &library) == 0) return {};
    return (fs::absolute(library.dli_fname).parent_path() / GEMMA_INSTALLED_NANO).lexically_normal();
}

}  // namespace

fs::path embedded_model() {
    const char* const chosen = std::getenv(variable);
    if (chosen != nullptr && *chosen != '\0') {
        if (!holds_model(chosen)) fail("{} is {}, expected a model directory with config.json", variable, chosen);
        return chosen;
    }
    const fs::path installed = installed_model(), source = GEMMA_SOURCE_NANO;
    if (holds_model(installed)) return installed;
    if (holds_model(source)) return source;
    fail("the small model is neither in {} nor in {}, expected it in one of them or where {} says", installed.string(),
         source.string(), variable);
}

fs::path embedded_instruct_model() {
    const fs::path directory = embedded_model() / "instruct";
    if (!holds_model(directory)) fail("{}: no config.json, expected the small model tuned to chat", directory.string());
    return directory;
}

}  // namespace gemma
