// gemma lens: what each layer would say if it were the last one, at one token of a text or at all.
#include "gemma/cli/commands.hpp"
#include "gemma/cli/options.hpp"
#include "gemma/cli/prompt.hpp"
#include "gemma/error.hpp"
#include "gemma/model/model.hpp"
#include "gemma/trace/recorder.hpp"
#include "viz/colour_scale.hpp"
#include "viz/console.hpp"
#include "viz/logit_lens.hpp"

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace gemma {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t longest_piece = 12;  // characters of a token's text

constexpr const char* lens_footer =
    R"(The final norm and the embedding turn the output of each layer into logits, as they do after the last one:
"interpreting GPT: the logit lens" (nostalgebraist 2020). The first row is the embedding, before any layer. The rank is
that of the token that the whole model finds likeliest. On a terminal a cell is the stronger the higher its probability.

Examples:
  gemma lens --prompt "Anna gave the ball to"
  gemma lens --prompt "Anna gave the ball to" --all
  gemma lens --model gemma-2b --prompt "The capital of France is" --layers embedding,8:18 --top 3
  gemma lens --prompt "Anna gave the ball to" --json > lens.json)";

struct LensCommand {
    std::string model;
    ComputeOptions compute{"float32"};
    PromptOptions prompt;
    std::size_t top = 5;
    std::string layers;
    std::optional<std::size_t> position;
    bool all = false;
    bool as_json = false;
};

// --- Which layers ----------------------------------------------------------------------------------------------------

// Which layers' outputs, in order, and whether the embedding.
struct Layers {
    bool embedding = false;
    std::vector<std::size_t> list;
};

std::optional<std::size_t> read_count(std::string_view text) {
    std::size_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return count;
}

// "4", or "4:7" for 4, 5 and 6.
TokenRange read_layers(std::string_view text, std::size_t layers) {
    const std::size_t colon = text.find(':');
    const std::optional<std::size_t> first = read_count(text.substr(0, colon));
    const std::optional<std::size_t> end = colon == std::string_view::npos ? (first ? std::optional(*first + 1) : first)
                                                                           : read_count(text.substr(colon + 1));
    if (!first || !end || *first >= *end || *end > layers) {
        fail("--layers: found \"{}\", expected embedding, layers from 0 to {}, or a range such as 0:{}", text,
             layers - 1, layers);
    }
    return {*first, *end};
}

Layers parse_layers(const std::string& text, std::size_t layers) {
    std::vector<bool> wanted(layers, text.empty());
    Layers result{text.empty(), {}};
    for (std::string_view rest = text; !rest.empty();) {
        const std::string_view part = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(rest.size(), part.size() + 1));
        if (part == "embedding") {
            result.embedding = true;
            continue;
        }
        const TokenRange range = read_layers(part, layers);
        for (std::size_t i = range.begin; i < range.end; ++i) wanted[i] = true;
    }
    for (std::size_t i = 0; i < layers; ++i) {
        if (wanted[i]) result.list.push_back(i);
    }
    return result;
}

// --- What was read ---------------------------------------------------------------------------------------------------

// The readings of one layer, for each position.
struct LayerReadings {
    std::string name;  // "embedding", "0", "1", …
    std::vector<viz::Reading> rows;
};

struct Readings {
    std::string model;
    std::string prompt;
    std::vector<int> tokens;
    std::size_t first_position;
    std::vector<LayerReadings> layers;

    std::size_t positions() const { return layers.front().rows.size(); }
};

// The tensors that the lens reads. The last layer is always there: it says what the answer is.
std::vector<std::string> names_of(const Layers& layers, std::size_t layer_count) {
    std::vector<std::string> names = {fmt::format("model.layers.{}", layer_count - 1)};
    if (layers.embedding) names.push_back("model.embed_scaled");
    for (const std::size_t i : layers.list) names.push_back(fmt::format("model.layers.{}", i));
    return names;
}

TokenRange positions_of(const LensCommand& options, std::size_t tokens) {
    if (options.all) return {};
    const std::size_t position = options.position.value_or(tokens - 1);
    if (position >= tokens) fail("--position: found {}, expected 0 to {}, the tokens", position, tokens - 1);
    return {position, position + 1};
}

Readings read(const LensCommand& options, const fs::path& directory) {
    const Model model = open_model(directory, options.compute);
    const Config& config = model.config();
    const Layers layers = parse_layers(options.layers, config.num_hidden_layers);
    const std::vector<int> tokens = prompt_tokens(options.prompt, directory, config.max_position_embeddings);

    Recorder recorder({names_of(layers, config.num_hidden_layers), positions_of(options, tokens.size())});
    KVCache cache(config, tokens.size(), model.precision());
    model.read(tokens, cache, Trace(recorder));
    viz::LensOptions lens_options;
    lens_options.likeliest = options.top;
    viz::LogitLens lens = viz::logit_lens(recorder, model, lens_options);

    Readings readings{fs::canonical(directory).filename().string(),
                      options.prompt.prompt.value_or(""),
                      tokens,
                      recorder.range().begin,
                      {}};
    if (layers.embedding) readings.layers.push_back({"embedding", std::move(lens.embedding)});
    for (const std::size_t i : layers.list) readings.layers.push_back({std::to_string(i), std::move(lens.layers[i])});
    return readings;
}

// --- On the terminal -------------------------------------------------------------------------------------------------

std::string name_of(int token, const std::optional<Tokenizer>& tokenizer) {
    const std::string piece = piece_of(token, tokenizer);
    return piece.empty() ? std::to_string(token) : piece;
}

// At most so many characters, the last one then "…".
std::string shortened(const std::string& text, std::size_t most) {
    if (viz::width_of(text) <= most) return text;
    std::string result;
    std::size_t width = 0;
    for (const char c : text) {
        const bool begins = (static_cast<unsigned char>(c) & 0xc0) != 0x80;  // 10xxxxxx continues a character
        if (begins && ++width == most) break;
        result += c;
    }
    return result + "…";
}

std::string short_name_of(int token, const std::optional<Tokenizer>& tokenizer) {
    return shortened(name_of(token, tokenizer), longest_piece);
}

struct Cell {
    std::string text;
    double probability = 0;
};

// A row's label and its cells.
struct Line {
    std::string label;
    std::vector<Cell> cells;
};

std::string coloured(const Cell& cell, std::size_t width, const viz::Console& console) {
    const std::string text = viz::padded(cell.text, width);
    if (!console.many_colours()) return text;
    constexpr viz::Colour light{238, 238, 238}, dark{18, 18, 18};
    const viz::Colour ground = console.colours() == viz::Colours::full ? viz::on_dark(cell.probability)
                                                                       : viz::on_dark_in_steps(cell.probability);
    return console.coloured(text, cell.probability > 0.5 ? dark : light, ground);
}

std::string without_end_spaces(std::string line) {
    line.erase(line.find_last_not_of(' ') + 1);
    return line;
}

// Columns that do not fit beside each other follow below, with the labels again.
void print_lines(const std::string& corner, const std::vector<std::string>& header, const std::vector<Line>& lines,
                 const viz::Console& console) {
    std::size_t label_width = viz::width_of(corner);
    std::vector<std::size_t> widths;
    for (const std::string& name : header) widths.push_back(viz::width_of(name));
    for (const Line& line : lines) {
        label_width = std::max(label_width, viz::width_of(line.label));
        for (std::size_t c = 0; c < widths.size(); ++c)
            widths[c] = std::max(widths[c], viz::width_of(line.cells[c].text));
    }
    for (std::size_t begin = 0; begin < widths.size();) {
        std::size_t end = begin, taken = label_width;
        while (end < widths.size() && (end == begin || taken + 2 + widths[end] < console.columns())) {
            taken += 2 + widths[end++];
        }
        std::string titles = viz::padded(corner, label_width);
        for (std::size_t c = begin; c < end; ++c) titles += "  " + viz::padded(header[c], widths[c]);
        fmt::print("{}\n", console.dim(without_end_spaces(titles)));
        for (const Line& line : lines) {
            std::string text = viz::padded(line.label, label_width);
            for (std::size_t c = begin; c < end; ++c) text += "  " + coloured(line.cells[c], widths[c], console);
            fmt::print("{}\n", without_end_spaces(text));
        }
        fmt::print("\n");
        begin = end;
    }
}

// One position: layers below each other, their likeliest tokens side by side.
void print_position(const Readings& readings, const std::optional<Tokenizer>& tokenizer, const viz::Console& console) {
    std::vector<std::size_t> widths;  // of the pieces in each column
    for (const LayerReadings& layer : readings.layers) {
        const auto& likeliest = layer.rows.front().likeliest;
        widths.resize(std::max(widths.size(), likeliest.size()));
        for (std::size_t c = 0; c < likeliest.size(); ++c) {
            widths[c] = std::max(widths[c], viz::width_of(short_name_of(likeliest[c].token, tokenizer)));
        }
    }
    std::vector<Line> lines;
    for (const LayerReadings& layer : readings.layers) {
        const viz::Reading& reading = layer.rows.front();
        Line line{fmt::format("{:<9}  {:>6}", layer.name, reading.answer_rank), {}};
        for (std::size_t c = 0; c < reading.likeliest.size(); ++c) {
            const auto& [token, probability] = reading.likeliest[c];
            const std::string piece = viz::padded(short_name_of(token, tokenizer), widths[c]);
            line.cells.push_back({fmt::format("{} {:5.1f} %", piece, 100 * probability), probability});
        }
        line.cells.resize(widths.size());
        lines.push_back(line);
    }
    std::vector<std::string> header;
    for (std::size_t c = 0; c < widths.size(); ++c) header.push_back(std::to_string(c + 1));
    const std::size_t position = readings.first_position;
    fmt::print("{}\n\n", console.bold(fmt::format("What follows token {}, {}", position,
                                                  name_of(readings.tokens[position], tokenizer))));
    print_lines(fmt::format("{:<9}  {:>6}", "layer", "rank"), header, lines, console);
}

// All positions: tokens below each other, the likeliest next token of each layer side by side.
void print_all(const Readings& readings, const std::optional<Tokenizer>& tokenizer, const viz::Console& console) {
    std::vector<Line> lines;
    const std::size_t digits = std::to_string(readings.tokens.size() - 1).size();
    for (std::size_t t = 0; t < readings.positions(); ++t) {
        Line line{fmt::format("{:>{}} {}", t, digits, short_name_of(readings.tokens[t], tokenizer)), {}};
        for (const LayerReadings& layer : readings.layers) {
            const auto& likeliest = layer.rows[t].likeliest;
            line.cells.push_back({});
            if (likeliest.empty()) continue;
            line.cells.back() = {short_name_of(likeliest.front().token, tokenizer), likeliest.front().probability};
        }
        lines.push_back(line);
    }
    std::vector<std::string> header;
    for (const LayerReadings& layer : readings.layers) header.push_back(layer.name);
    fmt::print("{}\n\n", console.bold("What follows each token, read after each layer"));
    print_lines("token", header, lines, console);
}

// --- As JSON ---------------------------------------------------------------------------------------------------------

json shown(int token, const std::optional<Tokenizer>& tokenizer) {
    const bool known = tokenizer && static_cast<std::size_t>(token) < tokenizer->vocab_size();
    return {{"token", token}, {"piece", known ? json(tokenizer->piece(token)) : json()}};
}

json shown(const std::string& layer, const viz::Reading& reading, const std::optional<Tokenizer>& tokenizer) {
    json likeliest = json::array();
    for (const auto& [token, probability] : reading.likeliest) {
        likeliest.push_back(shown(token, tokenizer));
        likeliest.back()["probability"] = probability;
    }
    const std::optional<std::size_t> number = read_count(layer);
    return {{"layer", number ? json(*number) : json(layer)},
            {"likeliest", likeliest},
            {"answer_rank", reading.answer_rank},
            {"answer_probability", reading.answer_probability}};
}

void print_json(const Readings& readings, const std::optional<Tokenizer>& tokenizer) {
    json tokens = json::array(), positions = json::array();
    for (const int token : readings.tokens) tokens.push_back(shown(token, tokenizer));
    for (std::size_t t = 0; t < readings.positions(); ++t) {
        json layers = json::array();
        for (const LayerReadings& layer : readings.layers)
            layers.push_back(shown(layer.name, layer.rows[t], tokenizer));
        positions.push_back({{"position", readings.first_position + t}, {"layers", layers}});
    }
    const json all = {
        {"model", readings.model}, {"prompt", readings.prompt}, {"tokens", tokens}, {"positions", positions}};
    fmt::print("{}\n", all.dump(1));
}

// --- The command -----------------------------------------------------------------------------------------------------

void lens(const LensCommand& options) {
    const fs::path directory = model_directory(options.model);
    const Readings readings = read(options, directory);
    const std::optional<Tokenizer> tokenizer = find_tokenizer(directory);
    if (options.as_json) return print_json(readings, tokenizer);
    const viz::Console console;
    if (options.all) return print_all(readings, tokenizer, console);
    print_position(readings, tokenizer, console);
}

}  // namespace

void add_lens(CLI::App& app) {
    CLI::App* const command = app.add_subcommand("lens", "What each layer would say if it were the last one");
    const auto options = std::make_shared<LensCommand>();
    add_model_option(*command, options->model);
    add_prompt_options(*command, options->prompt);
    command->add_option("--top", options->top, "How many of the likeliest tokens")
        ->check(whole_number(1))
        ->type_name("K")
        ->capture_default_str();
    command->add_option("--layers", options->layers, "Which layers, such as embedding,0,4:8 (default: all)")
        ->type_name("LIST");
    CLI::Option* const position =
        command->add_option("--position", options->position, "What follows this token, counted from 0 (default: last)")
            ->check(not_negative())
            ->type_name("N");
    command->add_flag("--all", options->all, "All tokens, with the likeliest next one of each layer")
        ->excludes(position);
    add_compute_options(*command, options->compute);
    command->add_flag("--json", options->as_json, "Print JSON");
    command->footer(lens_footer);
    command->callback([options] { lens(*options); });
}

}  // namespace gemma
