// gemma show: the tensors of a trace in the terminal, as a list or one of them as colours and numbers.
#include "gemma/cli/commands.hpp"
#include "gemma/cli/options.hpp"
#include "gemma/error.hpp"
#include "gemma/text/tokenizer.hpp"
#include "gemma/trace/names.hpp"
#include "gemma/trace/trace_file.hpp"
#include "viz/blocks.hpp"
#include "viz/numbers.hpp"
#include "viz/plot.hpp"
#include "viz/sparkline.hpp"
#include "viz/table.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

namespace gemma {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t heat_map_rows = 40, number_rows = 12, plot_rows = 14, most_columns = 160, row_width = 24;

constexpr const char* show_footer =
    R"(On a terminal numbers are colours, blue below zero and orange above it; in a pipe they are shades.
A width other than the terminal's: COLUMNS=80 gemma show ... | cat

Examples:
  gemma trace --prompt "Once upon a time" --out once.safetensors
  gemma show once.safetensors
  gemma show once.safetensors model.layers.0.self_attn.probs --head 1
  gemma show once.safetensors lm_head --token 4)";

struct ShowOptions {
    std::string trace;
    std::string name;
    std::string model;
    std::optional<std::size_t> token;
    std::optional<std::size_t> head;
};

// --- The axes of a tensor --------------------------------------------------------------------------------------------

// A traced tensor by its axes: tokens, heads (one where it has none), and what is left ([T]: one number).
class Traced {
public:
    Traced(const TraceFile& trace, const std::string& name)
        : name_(name), tensor_(trace.tensor(name)), axis_(token_axis(name, tensor_.shape)) {
        const std::size_t rank = tensor_.shape.size();
        if (rank < 1 || rank > 3) {
            fail("{}: {} has shape {}, expected one to three axes", trace.path().string(), name,
                 to_string(tensor_.shape));
        }
        // Generation computes logits from the last token of the prompt on.
        const TraceHeader& header = trace.header();
        const bool generated = header.prompt_tokens > 0 && header.prompt_tokens < header.tokens.size();
        first_token_ = trace.range().begin;
        if (name == "lm_head" && generated) first_token_ = std::max(first_token_, header.prompt_tokens - 1);
    }

    const Shape& shape() const { return tensor_.shape; }
    const std::vector<float>& numbers() const { return tensor_.numbers; }
    bool has_heads() const { return tensor_.shape.size() == 3; }
    std::size_t rows() const { return tensor_.shape[axis_]; }
    std::size_t heads() const { return has_heads() ? tensor_.shape[1 - axis_] : 1; }
    std::size_t columns() const { return tensor_.shape.size() == 1 ? 1 : tensor_.shape.back(); }
    bool columns_are_tokens() const { return axis_ == 1; }

    /// The tokens whose rows are there are first_token … first_token + rows - 1 of the run.
    std::size_t first_token() const { return first_token_; }

    std::size_t row_of(std::size_t token) const {
        if (token < first_token_ || token >= first_token_ + rows()) {
            fail("--token: found {}, expected {} to {}, the tokens of {}", token, first_token_,
                 first_token_ + rows() - 1, name_);
        }
        return token - first_token_;
    }

    std::vector<double> numbers(std::size_t row, std::size_t head) const {
        const std::size_t place = axis_ == 0 ? row * heads() + head : head * rows() + row;
        const auto begin = tensor_.numbers.begin() + static_cast<std::ptrdiff_t>(place * columns());
        return {begin, begin + static_cast<std::ptrdiff_t>(columns())};
    }

    // Of all heads, one behind the other.
    std::vector<double> numbers_of_row(std::size_t row) const {
        std::vector<double> all;
        for (std::size_t head = 0; head < heads(); ++head) {
            const std::vector<double> part = numbers(row, head);
            all.insert(all.end(), part.begin(), part.end());
        }
        return all;
    }

private:
    std::string name_;
    RecordedTensor tensor_;
    std::size_t axis_;
    std::size_t first_token_;
};

// --- The texts of tokens ---------------------------------------------------------------------------------------------

class TokenTexts {
public:
    // With --model its tokenizer; else that of the small model that has the trace's model's name.
    TokenTexts(const TraceFile& trace, const std::string& model) : tokens_(trace.header().tokens) {
        const fs::path directory = model.empty() ? embedded_model_named(trace.header().model) : given_directory(model);
        if (directory.empty()) return;
        tokenizer_.emplace(directory / "tokenizer.model");
        const int largest = tokens_.empty() ? 0 : *std::max_element(tokens_.begin(), tokens_.end());
        if (static_cast<std::size_t>(largest) < tokenizer_->vocab_size()) return;
        if (!model.empty()) {
            fail("--model: the tokenizer of {} has {} tokens, but token {} is in {}", model, tokenizer_->vocab_size(),
                 largest, trace.path().string());
        }
        tokenizer_.reset();
    }

    // What a token of the vocabulary looks like; its id where no tokenizer is at hand.
    std::string of_id(std::size_t id) const {
        return tokenizer_ && id < tokenizer_->vocab_size() ? viz::printable(tokenizer_->piece(static_cast<int>(id)))
                                                           : std::to_string(id);
    }

    // A token of the run: its place and what it looks like.
    std::string of_place(std::size_t place) const {
        if (!tokenizer_ || place >= tokens_.size()) return std::to_string(place);
        return fmt::format("{} {}", place, of_id(static_cast<std::size_t>(tokens_[place])));
    }

    bool known() const { return tokenizer_.has_value(); }

private:
    const std::vector<int>& tokens_;
    std::optional<Tokenizer> tokenizer_;
};

// --- What is printed -------------------------------------------------------------------------------------------------

void print(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) fmt::print("{}\n", line);
    fmt::print("\n");
}

// The row of --token, or of the last one.
std::vector<double> chosen_row(const Traced& tensor, const ShowOptions& options) {
    return tensor.numbers_of_row(options.token ? tensor.row_of(*options.token) : tensor.rows() - 1);
}

void print_list(const TraceFile& trace, const ShowOptions& options, const viz::Console& console) {
    viz::Table table{{"tensor", "shape", "least", "mean", "largest"}, {}};
    std::vector<std::string> lines_of_rows;
    for (const std::string& name : trace.names()) {
        const Traced tensor(trace, name);
        const viz::Summary summary = viz::summary_of(tensor.numbers());
        table.rows.push_back({name, to_string(tensor.shape()), viz::number(summary.range.least, 3),
                              viz::number(summary.mean, 3), viz::number(summary.range.largest, 3)});
        lines_of_rows.push_back(viz::sparkline(chosen_row(tensor, options), row_width));
    }
    const std::vector<std::string> lines = viz::lines(table);
    const std::size_t width = viz::width_of(lines[1]);
    const std::string what = options.token ? fmt::format("row of token {}", *options.token) : "row of the last token";
    fmt::print("{}\n", console.dim(viz::padded(lines[0], width) + "  " + what));
    fmt::print("{}\n", console.dim(viz::padded(lines[1], width) + "  " + viz::rule(row_width)));
    for (std::size_t i = 0; i < lines_of_rows.size(); ++i) {
        fmt::print("{}  {}\n", viz::padded(lines[i + 2], width), console.cyan(lines_of_rows[i]));
    }
}

void print_heat_map(const viz::HeatMap& map, const viz::Console& console) {
    const std::size_t columns = std::min(console.columns() - 1, most_columns);
    print(viz::text(map, columns, heat_map_rows, console));
    print(viz::number_lines(map, columns, number_rows));
}

// Rows are tokens, or with --token the heads of that token.
viz::HeatMap heat_map(const Traced& tensor, const ShowOptions& options, const TokenTexts& texts) {
    const bool attention = tensor.columns_are_tokens();
    viz::HeatMap map{"", attention ? "query" : "token", attention ? "key" : "dimension", {}};
    if (options.token) map.row_axis = "head";
    if (options.token) {
        for (std::size_t head = 0; head < tensor.heads(); ++head) {
            map.rows.push_back(tensor.numbers(tensor.row_of(*options.token), head));
        }
    } else {
        for (std::size_t row = 0; row < tensor.rows(); ++row) {
            map.rows.push_back(tensor.numbers(row, options.head.value_or(0)));
            map.row_labels.push_back(texts.of_place(tensor.first_token() + row));
        }
    }
    if (tensor.columns_are_tokens()) {
        for (std::size_t column = 0; column < tensor.columns(); ++column) {
            map.column_labels.push_back(texts.of_place(column));
        }
    }
    return map;
}

// One row: its curve, its numbers eight in a line, and which are furthest from zero, or the largest logits.
void print_row(const std::vector<double>& row, bool logits, const TokenTexts& texts, const viz::Console& console) {
    std::vector<double> indices(row.size());
    std::iota(indices.begin(), indices.end(), 0.0);
    print(viz::text(viz::Chart{"", {"index"}, {""}, {{"", indices, row}}},
                    std::min(console.columns() - 1, most_columns), plot_rows, console));

    constexpr std::size_t in_a_line = 8;
    viz::HeatMap grid{"", "", "", {}};
    for (std::size_t i = 0; i < row.size(); i += in_a_line) {
        grid.row_labels.push_back(fmt::format("{}", i));
        grid.rows.emplace_back(in_a_line, std::nan(""));
        std::copy_n(row.begin() + static_cast<std::ptrdiff_t>(i), std::min(in_a_line, row.size() - i),
                    grid.rows.back().begin());
    }
    for (std::size_t i = 0; i < in_a_line; ++i) grid.column_labels.push_back(fmt::format("+{}", i));
    print(viz::number_lines(grid, console.columns() - 1, number_rows));

    const auto before = [&](std::size_t a, std::size_t b) {
        return logits ? row[a] > row[b] : std::abs(row[a]) > std::abs(row[b]);
    };
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < row.size(); ++i) {
        if (std::isfinite(row[i])) order.push_back(i);
    }
    const std::size_t count = std::min<std::size_t>(order.size(), 10);
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(), before);
    const bool with_texts = logits && texts.known();
    viz::Table table{{logits ? "largest" : "furthest from zero", "number"}, {}};
    if (with_texts) table.header.push_back("token");
    for (std::size_t i = 0; i < count; ++i) {
        table.rows.push_back({std::to_string(order[i]), viz::number(row[order[i]])});
        if (with_texts) table.rows.back().push_back(texts.of_id(order[i]));
    }
    print(viz::lines(table));
}

// The tokens of the run are ids, not numbers to compute with.
void print_tokens(const TraceFile& trace, const ShowOptions& options) {
    if (options.token || options.head) {
        fail("--{}: found it with tokens, expected the name of another tensor", options.token ? "token" : "head");
    }
    const TokenTexts texts(trace, options.model);
    if (trace.header().tokens.empty()) fail("{}: found no tokens, expected those of a run", trace.path().string());
    viz::Table table{{"place", "id"}, {}};
    if (texts.known()) table.header.push_back("token");
    for (const int token : trace.header().tokens) {
        table.rows.push_back({std::to_string(table.rows.size()), std::to_string(token)});
        if (texts.known()) table.rows.back().push_back(texts.of_id(static_cast<std::size_t>(token)));
    }
    print(viz::lines(table));
}

void require_name(const TraceFile& trace, const std::string& name) {
    const std::vector<std::string> names = trace.names();
    if (std::find(names.begin(), names.end(), name) != names.end()) return;
    const std::string file = trace.path().string();
    fail("{}: found no tensor \"{}\", expected one that gemma show {} lists", file, name, file);
}

void print_tensor(const TraceFile& trace, const ShowOptions& options, const viz::Console& console) {
    if (options.name == "tokens") return print_tokens(trace, options);
    require_name(trace, options.name);
    const Traced tensor(trace, options.name);
    if (options.head && !tensor.has_heads()) {
        fail("--head: found {}, but {} {} has no heads", *options.head, options.name, to_string(tensor.shape()));
    }
    if (options.head && *options.head >= tensor.heads()) {
        fail("--head: found {}, expected 0 to {}, the heads of {}", *options.head, tensor.heads() - 1, options.name);
    }
    if (options.token) tensor.row_of(*options.token);  // throws an Error when it is not there
    const TokenTexts texts(trace, options.model);

    std::string which = options.token ? "   token " + texts.of_place(*options.token) : "";
    if (tensor.has_heads() && (options.head || !options.token)) {
        which += fmt::format("   head {} of {}", options.head.value_or(0), tensor.heads());
        if (!options.head && tensor.heads() > 1) which += " (--head shows another)";
    }
    fmt::print("{}  {}{}\n", console.bold(options.name), to_string(tensor.shape()), which);
    const viz::Summary summary = viz::summary_of(tensor.numbers());
    fmt::print("{}\n\n",
               console.dim(fmt::format("the tensor: least {}, mean {}, largest {}", viz::number(summary.range.least),
                                       viz::number(summary.mean), viz::number(summary.range.largest))));
    if (tensor.shape().size() == 1) {
        viz::BarChart bars{"", {}, {}};
        for (std::size_t row = 0; row < tensor.rows(); ++row) {
            bars.bars.push_back({texts.of_place(tensor.first_token() + row), tensor.numbers(row, 0)[0]});
        }
        print(viz::text(bars, std::min(console.columns() - 1, most_columns), console));
    } else if (options.token && (options.head || !tensor.has_heads())) {
        print_row(tensor.numbers(tensor.row_of(*options.token), options.head.value_or(0)), options.name == "lm_head",
                  texts, console);
    } else {
        print_heat_map(heat_map(tensor, options, texts), console);
    }
}

void show(const ShowOptions& options) {
    const TraceFile trace(options.trace);
    const viz::Console console;
    if (!options.name.empty()) return print_tensor(trace, options, console);
    if (options.head) fail("--head: found {} without the name of a tensor, expected both", *options.head);
    print_list(trace, options, console);
}

}  // namespace

void add_show(CLI::App& app) {
    CLI::App* command = app.add_subcommand("show", "Show the tensors of a trace in the terminal");
    const auto options = std::make_shared<ShowOptions>();
    command->add_option("trace", options->trace, "A trace file")->type_name("TRACE.safetensors")->required();
    command->add_option("name", options->name, "The tensor to show (default: a list of all)")->type_name("NAME");
    command->add_option("--token", options->token, "The row of this token of the run, counted from 0")
        ->check(not_negative())
        ->type_name("N");
    command->add_option("--head", options->head, "This head of a tensor that has heads")
        ->check(not_negative())
        ->type_name("H");
    command
        ->add_option("--model", options->model,
                     "Model directory with the tokenizer for the tokens' texts\n"
                     "(the small model's is found by itself)")
        ->type_name("DIR");
    command->footer(show_footer);
    command->callback([options] { show(*options); });
}

}  // namespace gemma
