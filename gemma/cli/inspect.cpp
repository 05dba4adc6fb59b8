// gemma inspect: what a model is made of and what it needs, or what a .safetensors file holds.

#include "gemma/checkpoint/checkpoint.hpp"
#include "gemma/checkpoint/embedded.hpp"
#include "gemma/checkpoint/finite.hpp"
#include "gemma/cli/commands.hpp"
#include "gemma/error.hpp"
#include "gemma/model/config.hpp"
#include "gemma/model/parameters.hpp"
#include "viz/console.hpp"
#include "viz/numbers.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace gemma {

namespace {

using viz::grouped;

namespace fs = std::filesystem;

constexpr const char* inspect_footer = R"(Examples:
  gemma inspect                        the small model that comes with the program
  gemma inspect gemma-2b               the published 2B, from its numbers alone
  gemma inspect path/to/gemma-2b-it    a model directory: its config, and the tensors it really holds
  gemma inspect trace.safetensors      metadata and tensors of any .safetensors file
  gemma inspect gemma-2b-it --check    reads all weights too: is any of them NaN or infinity?)";

// Four digits and the largest unit that fits.
std::string with_unit(std::size_t bytes, std::size_t step, const std::array<const char*, 5>& units) {
    double value = static_cast<double>(bytes);
    std::size_t unit = 0;
    for (; value >= static_cast<double>(step) && unit + 1 < units.size(); ++unit) value /= static_cast<double>(step);
    return fmt::format("{:.4g} {}", value, units[unit]);
}

std::string decimal(std::size_t bytes) { return with_unit(bytes, 1000, {"B", "kB", "MB", "GB", "TB"}); }

std::string binary(std::size_t bytes) { return with_unit(bytes, 1024, {"B", "KiB", "MiB", "GiB", "TiB"}); }

void print_config(const Config& config) {
    const auto row = [](const char* axis, const char* name, const std::string& value) {
        fmt::print("  {:1} {:24} {:>12}\n", axis, name, value);
    };
    fmt::print("Config\n");
    row("V", "vocab_size", grouped(config.vocab_size));
    row("D", "hidden_size", grouped(config.hidden_size));
    row("F", "intermediate_size", grouped(config.intermediate_size));
    row("L", "num_hidden_layers", grouped(config.num_hidden_layers));
    row("H", "num_attention_heads", grouped(config.num_attention_heads));
    row("K", "num_key_value_heads", grouped(config.num_key_value_heads));
    row("d", "head_dim", grouped(config.head_dim));
    row("", "max_position_embeddings", grouped(config.max_position_embeddings));
    row("", "rms_norm_eps", fmt::format("{}", config.rms_norm_eps));
    row("", "rope_theta", fmt::format("{}", config.rope_theta));
    row("", "torch_dtype", std::string(to_string(config.torch_dtype)));
    row("", "pad, eos, bos token ids",
        fmt::format("{}, {}, {}", config.pad_token_id, config.eos_token_id, config.bos_token_id));
}

// Prints the table and returns the total.
std::size_t print_parameters(const std::vector<Parameter>& parameters) {
    std::map<Part, std::size_t> count_of;
    std::size_t total = 0;
    for (const Parameter& parameter : parameters) {
        const std::size_t count = element_count(parameter.info.shape);
        count_of[parameter.part] += count;
        total += count;
    }
    const auto row = [total](std::string_view name, std::size_t count) {
        fmt::print("  {:16} {:>22} {:>8.1f} %\n", name, grouped(count), 100.0 * static_cast<double>(count) / total);
    };
    fmt::print("\nParameters\n");
    for (const auto& [part, count] : count_of) row(to_string(part), count);
    row("total", total);
    return total;
}

void print_memory(std::size_t parameters, const Config& config) {
    fmt::print("\nMemory of the weights\n");
    const std::pair<const char*, std::size_t> formats[] = {{"float32", 4}, {"bfloat16", 2}, {"int8", 1}};
    for (const auto& [name, bytes] : formats) {
        fmt::print("  {:16} {:>22} {:>16}\n", name, decimal(bytes * parameters), binary(bytes * parameters));
    }
    fmt::print("\n{:18} {:>22} {:>16}\n", "KV cache", "a token", grouped(config.max_position_embeddings) + " tokens");
    // A key and a value of d numbers, for each of the K heads of each of the L layers.
    const std::size_t numbers = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim;
    for (const auto& [name, bytes] : {formats[1], formats[0]}) {
        fmt::print("  {:16} {:>22} {:>16}\n", name, grouped(bytes * numbers) + " B",
                   binary(bytes * numbers * config.max_position_embeddings));
    }
}

// A line of the list of tensors. Those that differ by their layer only share a line.
struct Row {
    std::string before;               // of the name "model.layers.3.mlp.up_proj.weight": "model.layers."
    std::string after;                // ".mlp.up_proj.weight"
    std::vector<std::size_t> layers;  // 3
    std::string description;          // dtype, shape
};

// {0, 10, 1, 2} as "[0-2,10]": a file may have them in the order of the alphabet.
std::string layers_as_text(std::vector<std::size_t> layers) {
    std::sort(layers.begin(), layers.end());
    std::string text;
    for (std::size_t i = 0; i < layers.size();) {
        std::size_t last = i;
        while (last + 1 < layers.size() && layers[last + 1] == layers[last] + 1) ++last;
        if (!text.empty()) text += ",";
        text += last == i ? fmt::format("{}", layers[i]) : fmt::format("{}-{}", layers[i], layers[last]);
        i = last + 1;
    }
    return layers.size() > 1 ? "[" + text + "]" : text;
}

class TensorTable {
public:
    void add(const TensorInfo& tensor) {
        Row row = split(tensor.name);
        row.description = fmt::format("{:8} {:>20}", to_string(tensor.dtype), to_string(tensor.shape));
        for (Row& other : rows_) {
            if (std::tie(other.before, other.after, other.description) ==
                std::tie(row.before, row.after, row.description)) {
                other.layers.insert(other.layers.end(), row.layers.begin(), row.layers.end());
                return;
            }
        }
        rows_.push_back(std::move(row));
    }

    void print() const {
        for (const Row& row : rows_) {
            fmt::print("  {:60} {}\n", row.before + layers_as_text(row.layers) + row.after, row.description);
        }
    }

private:
    static Row split(const std::string& name) {
        constexpr std::string_view start = "model.layers.";
        if (name.compare(0, start.size(), start) != 0) return {name, "", {}, ""};
        const std::size_t end = name.find_first_not_of("0123456789", start.size());
        if (end == start.size() || end == std::string::npos || end - start.size() > 4) return {name, "", {}, ""};
        return {std::string(start), name.substr(end), {std::stoul(name.substr(start.size(), end - start.size()))}, ""};
    }

    std::vector<Row> rows_;
};

void inspect_config(const std::string& name, bool check) {
    const Config config = find_config(name);
    if (check) fail("--check: {} has no weights, expected a model directory or a .safetensors file", name);
    const std::vector<Parameter> all = parameters(config);
    fmt::print("{}: from its config, without weights\n\n", name);
    print_config(config);
    print_memory(print_parameters(all), config);
    fmt::print("\nTensors: {}\n", all.size());
    TensorTable table;
    for (const Parameter& parameter : all) table.add(parameter.info);
    table.print();
}

// Reads every number. Names each tensor that has some that are not finite; then the file cannot be used.
void check_numbers(const std::string& source, const std::vector<StoredTensor>& tensors) {
    std::size_t numbers = 0, broken = 0;
    fmt::print("\nNumbers\n");
    for (const StoredTensor& tensor : tensors) {
        const std::size_t count = element_count(tensor.shape);
        const NotFinite found = not_finite(tensor.data, tensor.dtype, count);
        numbers += count;
        if (found.count == 0) continue;
        ++broken;
        fmt::print("  {:60} {} not finite, first {} at {}\n", tensor.name, grouped(found.count), found.value,
                   to_string(place_of(found.first, tensor.shape)));
    }
    if (broken > 0) fail("{}: found NaN or infinity in {} tensors, expected finite numbers", source, broken);
    fmt::print("  all {} are finite\n", grouped(numbers));
}

// Counts what is in the files, not what should be: each tensor must be there, in its shape.
void inspect_directory(const fs::path& directory, bool check) {
    const Config config = read_config(directory / "config.json");
    const Checkpoint checkpoint(directory);
    std::vector<Parameter> found;
    for (const Parameter& parameter : parameters(config)) {
        const StoredTensor& tensor = checkpoint.tensor(parameter.info.name, parameter.info.shape);
        found.push_back({{tensor.name, tensor.dtype, tensor.shape}, parameter.part});
    }
    fmt::print("{}\n\n", directory.string());
    print_config(config);
    print_memory(print_parameters(found), config);
    for (const SafetensorsFile& file : checkpoint.files()) {
        fmt::print("\nTensors in {}: {}\n", file.path().filename().string(), file.tensors().size());
        TensorTable table;
        for (const StoredTensor& tensor : file.tensors()) table.add(tensor);
        table.print();
    }
    if (check) check_numbers(directory.string(), checkpoint.tensors());
}

void inspect_file(const fs::path& path, bool check) {
    const SafetensorsFile file(path);
    std::size_t elements = 0, bytes = 0;
    for (const StoredTensor& tensor : file.tensors()) {
        elements += element_count(tensor.shape);
        bytes += tensor.bytes();
    }
    fmt::print("{}\n\nMetadata\n", path.string());
    for (const auto& [name, text] : file.metadata())
        fmt::print("  {:20} {}\n", viz::printable(name), viz::printable(text));
    fmt::print("\nTensors: {}, {} numbers, {}\n", file.tensors().size(), grouped(elements), decimal(bytes));
    for (const StoredTensor& tensor : file.tensors()) {
        fmt::print("  {:60} {:8} {:>20}\n", tensor.name, to_string(tensor.dtype), to_string(tensor.shape));
    }
    if (check) check_numbers(path.string(), file.tensors());
}

void run(const std::string& name, bool check) {
    if (name.empty()) {
        inspect_directory(embedded_model(), check);
    } else if (fs::is_directory(name)) {
        inspect_directory(name, check);
    } else if (fs::path(name).extension() == ".safetensors") {
        inspect_file(name, check);
    } else {
        inspect_config(name, check);
    }
}

}  // namespace

void add_inspect(CLI::App& app) {
    const auto name = std::make_shared<std::string>();
    CLI::App* const command = app.add_subcommand("inspect", "Show what a model is made of and what it needs");
    command->add_option("model", *name, "Model directory, .safetensors file, config.json, gemma-2b or gemma-7b")
        ->type_name("MODEL");
    const auto check = std::make_shared<bool>(false);
    command->add_flag("--check", *check, "Read every number, and name the tensors that hold NaN or infinity");
    command->footer(inspect_footer);
    command->callback([name, check] { run(*name, *check); });
}

}  // namespace gemma
