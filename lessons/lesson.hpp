// What all lessons share: their options, how they print, and how they end, with their checks.
//
//   int main(int argc, char** argv) {
//       return lesson::run(argc, argv, {"07_rms_norm", "RMSNorm", "A vector gets a standard length."},
//                          [](lesson::Lesson& lesson) {
//           lesson.step("The formula");
//           lesson.formula("y = x / √(mean(x²) + ε) · (1 + w)");
//           ...
//           lesson.check("the root mean square of y is 1", difference, 1e-6, "closed form");
//       });
//   }
//
// A lesson prints the same text each time, but for lines that say they are measured times. It fits 100 columns.
#pragma once

#include "gemma/model/model.hpp"
#include "gemma/text/tokenizer.hpp"
#include "gemma/trace/recorder.hpp"
#include "viz/chart.hpp"
#include "viz/console.hpp"
#include "viz/page.hpp"
#include "viz/table.hpp"

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace CLI {
class App;  // <CLI/CLI.hpp> takes longer to compile than a lesson
}

namespace lesson {

/// An option of a lesson's own, a text: --name TYPE. `value` has the default.
struct TextOption {
    std::string name;
    std::string* value;
    std::string help;
    std::string type_name = "TEXT";
};

/// What a lesson is called and what it takes.
struct About {
    std::string name;                      // its folder: "07_rms_norm"
    std::string title;                     // "RMSNorm"
    std::string promise;                   // in one sentence, what one knows afterwards
    bool takes_model = false;              // --model DIR: a real Gemma in place of the small one
    std::vector<TextOption> options = {};  // of its own
};

class Lesson {
public:
    /// Called by run.
    Lesson(About about, CLI::App& app);
    ~Lesson();

    // --- Telling -----------------------------------------------------------------------------------------------------

    /// Begins a step: its number and name. With --step it waits for Enter first.
    void step(const std::string& name);

    /// Prose: a paragraph, broken into lines.
    void text(const std::string& paragraph);

    /// Short paragraphs, one below the other.
    void list(const std::vector<std::string>& items);

    /// A formula, or several lines of one.
    void formula(const std::string& lines);

    void table(const viz::Table& table);

    /// A line as it is: for numbers that stand in columns of their own.
    void line(const std::string& text);

    /// What to see in the numbers above.
    void notice(const std::string& paragraph);

    /// A picture: as text here, on the page of --html, and as a file of --figures. `name` is the file's, without its
    /// end.
    void figure(const std::string& name, const viz::Chart& chart, const std::string& caption);
    void figure(const std::string& name, const viz::BarChart& chart, const std::string& caption);
    void figure(const std::string& name, const viz::HeatMap& map, const std::string& caption);

    // --- Checking ----------------------------------------------------------------------------------------------------

    /// Remembers that `difference` must be at most `limit`; the table at the lesson's end shows both. `against` says
    /// what the numbers were held against: "the official model", "closed form", a paper.
    void check(const std::string& what, double difference, double limit, const std::string& against);

    /// Remembers whether something holds that has no measure.
    void check(const std::string& what, bool holds, const std::string& against);

    // --- The model and the trace -------------------------------------------------------------------------------------

    /// The model of --model, or the small one; opened when first asked for.
    const gemma::Model& model();
    const gemma::Tokenizer& tokenizer();
    std::filesystem::path model_directory() const;
    /// Whether it is the small one, for which official numbers are at hand.
    bool embedded_model() const;

    /// Records what is shown to it: what --trace and --html write, and what the lesson reads back.
    gemma::Recorder& recorder() { return recorder_; }
    gemma::Trace trace(const std::string& scope = "") { return gemma::Trace(recorder_, scope); }

    /// Which run the record is of. Without it the rows of the record are numbered from 0.
    void traced(const std::string& prompt, const std::vector<int>& tokens);

    const viz::Console& console() const { return console_; }

private:
    static constexpr std::size_t width = 96;  // of 100 columns, with a margin on both sides

    friend int run(int argc, char** argv, const About& about, const std::function<void(Lesson&)>& lesson);

    struct Check {
        std::string what, measured, limit, against;
        bool holds;
    };

    void begin();
    bool finish();
    void print_checks() const;
    void number_rows();
    void check_files() const;  // that they can be written: better now than after the lesson
    void write_files();
    void print_figure(const std::string& title, const std::vector<std::string>& lines) const;
    void add_figure(const std::string& name, std::string svg, const std::string& caption);
    std::vector<std::string> wrapped(const std::string& paragraph, std::size_t columns = width) const;

    About about_;
    viz::Console console_;
    gemma::Recorder recorder_;
    gemma::TraceHeader header_;
    std::unique_ptr<gemma::Model> model_;
    std::unique_ptr<gemma::Tokenizer> tokenizer_;
    std::vector<viz::Figure> figures_;
    std::vector<Check> checks_;
    std::size_t steps_ = 0;

    std::string model_option_, trace_file_, html_file_, figures_folder_;
    bool wait_ = false;
};

/// Runs a lesson: reads the options, tells it, prints its checks, writes the files that were asked for. Returns the
/// exit code: 0; 1 when a check failed; 2 for bad input.
int run(int argc, char** argv, const About& about, const std::function<void(Lesson&)>& lesson);

}  // namespace lesson
