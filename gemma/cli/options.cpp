#include "gemma/cli/options.hpp"

#include "gemma/checkpoint/checkpoint.hpp"
#include "gemma/checkpoint/embedded.hpp"
#include "gemma/error.hpp"
#include "gemma/model/config.hpp"
#include "gemma/model/weights.hpp"
#include "gemma/parallel.hpp"
#include "gemma/precision.hpp"

#include <fmt/core.h>

#include <charconv>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

namespace gemma {

void add_model_option(CLI::App& command, std::string& model) {
    command
        .add_option("--model", model,
                    "Model directory in Hugging Face's layout\n"
                    "(default: the small model that comes with the program)")
        ->type_name("DIR");
}

std::filesystem::path model_directory(const std::string& model) {
    return model.empty() ? embedded_model() : given_directory(model);
}

std::filesystem::path given_directory(const std::string& model) {
    if (!std::filesystem::exists(model)) fail("--model: there is no {}, expected a model directory", model);
    if (!std::filesystem::is_directory(model)) fail("--model: {} is a file, expected a model directory", model);
    return model;
}

void add_compute_options(CLI::App& command, ComputeOptions& options) {
    const auto known = [](const std::string& text) {
        return text == "float32" || text == "bfloat16" ? "" : "found " + text + ", expected float32 or bfloat16";
    };
    const std::string precision = options.precision.empty() ? "bfloat16 where the weights are" : options.precision;
    command
        .add_option("--precision", options.precision,
                    "Numbers to compute with: float32, or bfloat16 as the\n"
                    "official model rounds them (default: " +
                        precision + ")")
        ->type_name("TYPE")
        ->check(CLI::Validator(known, ""));
    command.add_option("--threads", options.threads, "Threads to compute with (default: one for each core)")
        ->type_name("N")
        ->check(thread_count());
}

Model open_model(const std::filesystem::path& directory, const ComputeOptions& options) {
    if (options.threads > 0) set_threads(options.threads);
    const Config config = read_config(directory / "config.json");
    Weights weights = load_weights(std::make_shared<const Checkpoint>(directory), config);
    const bool bfloat16 = options.precision.empty() ? weights.embed_tokens.dtype == DType::bfloat16
                                                    : options.precision == to_string(Precision::bfloat16);
    return {config, std::move(weights), bfloat16 ? Precision::bfloat16 : Precision::float32};
}

std::filesystem::path embedded_model_named(const std::string& name) {
    try {
        for (const std::filesystem::path& directory : {embedded_model(), embedded_instruct_model()}) {
            if (std::filesystem::canonical(directory).filename() == name) return directory;
        }
    } catch (const Error&) {  // no model came with the program
    }
    return {};
}

std::optional<Tokenizer> find_tokenizer(const std::filesystem::path& directory) {
    const std::filesystem::path file = directory / "tokenizer.model";
    if (!std::filesystem::exists(file)) return std::nullopt;
    return Tokenizer(file);
}

std::vector<int> parse_tokens(const std::string& text) {
    std::vector<int> tokens;
    std::string_view rest = text;
    while (true) {
        const std::string_view number = rest.substr(0, rest.find(','));
        int token = 0;
        const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), token);
        if (error != std::errc() || end != number.data() + number.size() || token < 0) {
            fail("found \"{}\" in \"{}\", expected token ids with commas between them, such as 2,5,7", number, text);
        }
        tokens.push_back(token);
        if (number.size() == rest.size()) return tokens;
        rest.remove_prefix(number.size() + 1);
    }
}

CLI::Validator whole_number(std::size_t least, std::size_t most) {
    const auto complaint = [least, most](const std::string& text) -> std::string {
        std::size_t number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error == std::errc::result_out_of_range || number > most) {
            return fmt::format("found {}, expected at most {}", text, most);
        }
        if (error == std::errc() && end == text.data() + text.size() && number >= least) return "";
        return fmt::format("found {}, expected a whole number, {} or more", text, least);
    };
    return CLI::Validator(complaint, "");
}

CLI::Validator not_negative() { return whole_number(0); }

CLI::Validator thread_count() { return whole_number(1, 1024); }

CLI::Validator any_number() {
    const auto complaint = [](const std::string& text) -> std::string {
        char* end = nullptr;
        std::strtod(text.c_str(), &end);
        if (!text.empty() && end == text.c_str() + text.size()) return "";
        return fmt::format("found {}, expected a number such as 0.5", text);
    };
    return CLI::Validator(complaint, "");
}

CLI::Validator read_by(std::function<void(const std::string&)> read) {
    const auto complaint = [read = std::move(read)](const std::string& text) -> std::string {
        try {
            read(text);
            return "";
        } catch (const Error& error) {
            return error.what();
        }
    };
    return CLI::Validator(complaint, "");
}

}  // namespace gemma
