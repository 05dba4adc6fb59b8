// The gemma program as a user runs it: exit code, what it prints, what it leaves behind.
#pragma once

#include "gemma/checkpoint/safetensors.hpp"
#include "gemma/model/config.hpp"
#include "gemma/model/parameters.hpp"
#include "tests/support/contains.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/tiny_model.hpp"

#include <doctest/doctest.h>

#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

namespace gemma::program {

struct Run {
    int code;
    std::string out;
    std::string err;
};

/// Runs `gemma ARGUMENTS` in a folder, with the arguments as a shell reads them. Input is empty, unless they say
/// < FILE.
inline Run run(const std::string& arguments, const std::filesystem::path& folder) {
    const TemporaryDirectory output;
    const std::string command = "cd '" + folder.string() + "' && '" GEMMA_PROGRAM "' < /dev/null " + arguments +
                                " > '" + (output / "out").string() + "' 2> '" + (output / "err").string() + "'";
    const int status = std::system(command.c_str());
    REQUIRE(WIFEXITED(status));
    return {WEXITSTATUS(status), read_file(output / "out"), read_file(output / "err")};
}

/// Bad input: exit code 2, one line on stderr that holds `part`, nothing on stdout, and no new file.
inline void check_error(const std::string& arguments, const TemporaryDirectory& folder, const std::string& part) {
    CAPTURE(arguments);
    const std::size_t entries = folder.entries();
    const Run result = run(arguments, folder.path());
    CAPTURE(result.err);
    CHECK(result.code == 2);
    CHECK(result.out == "");
    CHECK(result.err.rfind("gemma: ", 0) == 0);
    CHECK(result.err.find('\n') == result.err.size() - 1);
    CHECK(contains(result.err, part));
    CHECK(folder.entries() == entries);
}

/// A model directory without a tokenizer.
inline void write_model(const std::filesystem::path& directory) {
    const Config config = tiny_config();
    std::filesystem::create_directory(directory);
    write_file(directory / "config.json", to_json(config));
    std::vector<TensorInfo> tensors;
    for (const Parameter& parameter : parameters(config)) tensors.push_back(parameter.info);
    SafetensorsWriter writer(directory / "model.safetensors", tensors);
    std::mt19937 random(1);
    for (const TensorInfo& tensor : tensors) {
        for (std::size_t i = 0; i < element_count(tensor.shape); ++i) {
            const float number = static_cast<float>(random() % 2001) / 1000.0f - 1.0f;
            writer.write(&number, sizeof number);
        }
    }
    writer.finish();
}

}  // namespace gemma::program
