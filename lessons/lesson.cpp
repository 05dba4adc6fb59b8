#include "lessons/lesson.hpp"

#include "gemma/checkpoint/embedded.hpp"
#include "gemma/checkpoint/output_file.hpp"
#include "gemma/error.hpp"
#include "gemma/trace/names.hpp"
#include "viz/blocks.hpp"
#include "viz/plot.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <iostream>
#include <sstream>
#include <utility>

namespace lesson {

namespace fs = std::filesystem;

namespace {

void indented(const std::string& line) {
    const std::string text = "  " + line;
    fmt::print("{}\n", text.substr(0, text.find_last_not_of(' ') + 1));
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
}

}  // namespace

Lesson::Lesson(About about, CLI::App& app) : about_(std::move(about)) {
    if (about_.takes_model) {
        app.add_option("--model", model_option_, "A Gemma in Hugging Face's layout (default: the small one)")
            ->type_name("DIR");
    }
    app.add_flag("--step", wait_, "Wait for Enter before each step");
    app.add_option("--trace", trace_file_, "Write every tensor of the lesson here")->type_name("FILE.safetensors");
    app.add_option("--html", html_file_, "Write the lesson's pictures and tensors as a web page")
        ->type_name("FILE.html");
    app.add_option("--figures", figures_folder_, "Write the lesson's pictures as SVG files")->type_name("DIR");
    for (const TextOption& option : about_.options) {
        app.add_option("--" + option.name, *option.value, option.help)
            ->type_name(option.type_name)
            ->capture_default_str();
    }
}

Lesson::~Lesson() = default;

// --- Telling ---------------------------------------------------------------------------------------------------------

void Lesson::begin() {
    fmt::print("{}\n", console_.bold(fmt::format("Lesson {}: {}", about_.name.substr(0, 2), about_.title)));
    for (const std::string& line : wrapped(about_.promise)) fmt::print("{}\n", console_.dim(line));
    fmt::print("{}\n", console_.dim(fmt::format("The prose: lessons/{}/README.md", about_.name)));
}

void Lesson::step(const std::string& name) {
    if (wait_ && steps_ > 0) {
        fmt::print("\n{}", console_.dim("Enter goes on …"));
        std::fflush(stdout);
        std::string answer;
        std::getline(std::cin, answer);
    }
    fmt::print("\n{}\n\n", console_.bold(fmt::format("{}. {}", ++steps_, name)));
}

std::vector<std::string> Lesson::wrapped(const std::string& paragraph, std::size_t columns) const {
    std::vector<std::string> lines(1);
    std::istringstream words(paragraph);
    for (std::string word; words >> word;) {
        if (!lines.back().empty() && viz::width_of(lines.back()) + 1 + viz::width_of(word) > columns)
            lines.emplace_back();
        lines.back() += (lines.back().empty() ? "" : " ") + word;
    }
    return lines;
}

void Lesson::text(const std::string& paragraph) {
    for (const std::string& line : wrapped(paragraph)) indented(line);
    fmt::print("\n");
}

void Lesson::list(const std::vector<std::string>& items) {
    for (const std::string& item : items) {
        const std::vector<std::string> lines = wrapped(item, width - 2);
        for (std::size_t i = 0; i < lines.size(); ++i) indented((i == 0 ? "· " : "  ") + lines[i]);
    }
    fmt::print("\n");
}

void Lesson::formula(const std::string& lines) {
    for (const std::string& line : lines_of(lines)) indented("  " + console_.cyan(line));
    fmt::print("\n");
}

void Lesson::table(const viz::Table& table) {
    const std::vector<std::string> lines = viz::lines(table);
    for (std::size_t i = 0; i < lines.size(); ++i) indented(i < 2 ? console_.dim(lines[i]) : lines[i]);
    fmt::print("\n");
}

void Lesson::line(const std::string& text) { indented(text); }

void Lesson::notice(const std::string& paragraph) {
    for (const std::string& line : wrapped("→ " + paragraph)) indented(console_.yellow(line));
    fmt::print("\n");
}

// In the terminal a picture is small: it shows the shape, the page and the file show the rest.
constexpr std::size_t figure_columns = 64, figure_rows = 14;

void Lesson::print_figure(const std::string& title, const std::vector<std::string>& lines) const {
    for (const std::string& line : wrapped(title)) indented(console_.bold(line));
    for (const std::string& line : lines) indented(line);
    fmt::print("\n");
}

void Lesson::figure(const std::string& name, const viz::Chart& chart, const std::string& caption) {
    print_figure(chart.title, viz::text(chart, figure_columns, figure_rows, console_));
    add_figure(name, viz::svg(chart), caption);
}

void Lesson::figure(const std::string& name, const viz::BarChart& chart, const std::string& caption) {
    print_figure(chart.title, viz::text(chart, figure_columns, console_));
    add_figure(name, viz::svg(chart), caption);
}

void Lesson::figure(const std::string& name, const viz::HeatMap& map, const std::string& caption) {
    print_figure(map.title, viz::text(map, figure_columns, 2 * figure_rows, console_));
    add_figure(name, viz::svg(map), caption);
}

void Lesson::add_figure(const std::string& name, std::string svg, const std::string& caption) {
    figures_.push_back({name, caption, std::move(svg)});
}

// --- Checking --------------------------------------------------------------------------------------------------------

void Lesson::check(const std::string& what, double difference, double limit, const std::string& against) {
    checks_.push_back(
        {what, fmt::format("{:.1e}", difference), fmt::format("{:.0e}", limit), against, difference <= limit});
}

void Lesson::check(const std::string& what, bool holds, const std::string& against) {
    checks_.push_back({what, holds ? "yes" : "no", "", against, holds});
}

void Lesson::print_checks() const {
    fmt::print("\n{}\n\n", console_.bold("Are these the right numbers?"));
    viz::Table table{{"", "what was checked", "difference", "limit", "held against"}, {}};
    for (const Check& check : checks_) {
        table.rows.push_back({check.holds ? "✓" : "✗", check.what, check.measured, check.limit, check.against});
    }
    const std::vector<std::string> lines = viz::lines(table);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const bool failed = i >= 2 && !checks_[i - 2].holds;
        indented(i < 2 ? console_.dim(lines[i]) : failed ? console_.red(lines[i]) : lines[i]);
    }
    fmt::print("\n");
}

bool Lesson::finish() {
    if (!checks_.empty()) print_checks();
    write_files();
    return std::all_of(checks_.begin(), checks_.end(), [](const Check& check) { return check.holds; });
}

// --- The model and the trace -----------------------------------------------------------------------------------------

bool Lesson::embedded_model() const { return model_option_.empty(); }

fs::path Lesson::model_directory() const {
    return embedded_model() ? gemma::embedded_model() : fs::path(model_option_);
}

const gemma::Model& Lesson::model() {
    if (!model_) model_ = std::make_unique<gemma::Model>(model_directory());
    return *model_;
}

const gemma::Tokenizer& Lesson::tokenizer() {
    if (!tokenizer_) tokenizer_ = std::make_unique<gemma::Tokenizer>(model_directory() / "tokenizer.model");
    return *tokenizer_;
}

void Lesson::traced(const std::string& prompt, const std::vector<int>& tokens) {
    header_.prompt = prompt;
    header_.tokens = tokens;
    header_.model = fs::canonical(model_directory()).filename().string();
}

// The rows of a record that belongs to no text.
void Lesson::number_rows() {
    std::size_t rows = 0;
    for (const std::string& name : recorder_.names()) {
        const gemma::Shape shape = recorder_.shape(name);
        rows = std::max(rows, shape[gemma::token_axis(name, shape)]);
    }
    for (std::size_t row = 0; row < rows; ++row) header_.tokens.push_back(static_cast<int>(row));
}

void Lesson::check_files() const {
    if (!trace_file_.empty()) gemma::OutputFile{trace_file_};
    if (!html_file_.empty()) gemma::OutputFile{html_file_};
    if (figures_folder_.empty()) return;
    fs::path there = fs::absolute(figures_folder_);  // what is there of the folder
    while (!fs::exists(there)) there = there.parent_path();
    if (!fs::is_directory(there)) gemma::fail("--figures: {} is a file, expected a folder", there.string());
}

void Lesson::write_files() {
    if (header_.tokens.empty()) number_rows();
    if (!trace_file_.empty()) {
        gemma::write_trace(trace_file_, recorder_, header_);
        indented(console_.dim("the tensors: " + trace_file_));
    }
    if (!html_file_.empty()) {
        viz::Page page;
        page.title = fmt::format("Lesson {}: {}", about_.name.substr(0, 2), about_.title);
        page.figures = figures_;
        if (!recorder_.names().empty()) page.record = &recorder_;
        page.header = header_;
        page.model = model_.get();
        page.tokenizer = tokenizer_.get();
        viz::write_page(html_file_, page);
        indented(console_.dim("the page: " + html_file_));
    }
    if (!figures_folder_.empty()) {
        std::error_code error;
        fs::create_directories(figures_folder_, error);
        if (error) gemma::fail("--figures: {} cannot be made ({})", figures_folder_, error.message());
        for (const viz::Figure& figure : figures_) {
            gemma::write_text_file(fs::path(figures_folder_) / (figure.name + ".svg"), figure.svg);
        }
        indented(console_.dim(fmt::format("{} pictures: {}", figures_.size(), figures_folder_)));
    }
}

// --- Running ---------------------------------------------------------------------------------------------------------

namespace {

// What CLI11 says of a wrong command line, in one line.
std::string one_line(const CLI::App* app, const CLI::Error& error) {
    return fmt::format("{0}: {1} (see {0} --help)\n", app->get_name(), viz::printable(error.what()));
}

}  // namespace

int run(int argc, char** argv, const About& about, const std::function<void(Lesson&)>& tell) {
    CLI::App app(fmt::format("Lesson {}: {}. {}", about.name.substr(0, 2), about.title, about.promise), about.name);
    app.get_formatter()->column_width(32);
    app.failure_message(one_line);
    try {
        Lesson lesson(about, app);
        app.parse(argc, argv);
        lesson.check_files();
        lesson.begin();
        tell(lesson);
        return lesson.finish() ? 0 : 1;
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    } catch (const std::exception& error) {
        std::fflush(stdout);
        fmt::print(stderr, "{}: {}\n", about.name, viz::printable(error.what()));
        return 2;
    }
}

}  // namespace lesson
