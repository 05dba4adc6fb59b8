#include "lessons/breaks.hpp"

#include "gemma/diagnose/mistakes.hpp"
#include "lessons/loss.hpp"
#include "lessons/story.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace lesson {

namespace {

using gemma::Matrix;

constexpr const char* prompt = "Anna gave the ball to Tom. Now the ball belongs to";
constexpr std::size_t text_tokens = 12, text_columns = 36;

// The largest difference of the logits after the prompt, relative to the largest of the right ones. Of mistaken tokens
// it is the last row that stands at the same place of the text.
double logits_off(const Matrix& right, const Matrix& mistaken) {
    const std::size_t V = right.shape(1);
    const float *a = &right(right.shape(0) - 1, 0), *b = &mistaken(mistaken.shape(0) - 1, 0);
    double difference = 0, largest = 0;
    for (std::size_t i = 0; i < V; ++i) {
        difference = std::max(difference, std::abs(static_cast<double>(a[i]) - b[i]));
        largest = std::max(largest, std::abs(static_cast<double>(a[i])));
    }
    return difference / largest;
}

// At most so many characters, the last one then "…".
std::string shortened(const std::string& text, std::size_t most) {
    std::string result;
    std::size_t width = 0;
    for (const char c : text) {
        const bool begins = (static_cast<unsigned char>(c) & 0xc0) != 0x80;  // 10xxxxxx continues a character
        if (begins && ++width > most) return result + "…";
        result += c;
    }
    return result;
}

// Below 1e-5 the last digits are the processor's.
std::string off_text(double off) { return off == 0 ? "0" : off < 1e-5 ? "< 1e-5" : fmt::format("{:.1e}", off); }

std::vector<std::string> row(Lesson& lesson, const std::string& name, double clean_loss) {
    const std::vector<std::string> mistakes = name.empty() ? std::vector<std::string>{} : std::vector{name};
    const std::vector<int> tokens = lesson.tokenizer().encode_prompt(prompt);
    const Matrix right = gemma::forward_with({}, lesson.model(), tokens);
    const double off = logits_off(right, gemma::forward_with(mistakes, lesson.model(), tokens));
    const double loss = loss_with(lesson, mistakes);
    std::vector<std::string> cells = {name.empty() ? "none" : name, name.empty() ? "" : off_text(off),
                                      fmt::format("{:.4f}", loss), name.empty() ? "" : change_text(loss - clean_loss)};
    // A real Gemma takes a second a token.
    if (lesson.embedded_model()) {
        cells.push_back(shortened(viz::printable(text_with(lesson, mistakes, prompt, text_tokens)), text_columns));
    }
    return cells;
}

}  // namespace

double loss_with(Lesson& lesson, const std::vector<std::string>& mistakes) {
    const std::vector<int> tokens = lesson.tokenizer().encode_prompt(unseen_story);
    const std::vector<int> mistaken = gemma::mistaken_tokens(mistakes, tokens);
    const std::size_t guessed = tokens.size() - 2;  // all but <bos> and the first
    return loss(gemma::forward_with(mistakes, lesson.model(), tokens), mistaken, mistaken.size() - guessed);
}

std::string change_text(double change) { return fmt::format("{:+.4f}", std::abs(change) < 5e-5 ? 0.0 : change); }

std::string text_with(Lesson& lesson, const std::vector<std::string>& mistakes, const std::string& text,
                      std::size_t count) {
    std::vector<int> tokens = lesson.tokenizer().encode_prompt(text), written;
    while (written.size() < count) {
        const Matrix logits = gemma::forward_with(mistakes, lesson.model(), tokens);
        const float* last = &logits(logits.shape(0) - 1, 0);
        const int next = static_cast<int>(std::max_element(last, last + logits.shape(1)) - last);
        if (next == gemma::SpecialTokens::eos) break;
        tokens.push_back(next);
        written.push_back(next);
    }
    std::string result = lesson.tokenizer().decode(written);
    result.erase(0, result.find_first_not_of(' '));
    return result;
}

void what_breaks(Lesson& lesson, const std::string& question, const std::vector<std::string>& mistakes) {
    lesson.step("What breaks if " + question);
    lesson.text(
        "The whole model with one thing wrong in all layers. The mistakes are those that gemma diagnose looks for in "
        "another program's numbers, with its names for them:");
    std::vector<std::string> items;
    for (const std::string& name : mistakes) items.push_back(name + ": " + gemma::find_mistake(name).what);
    lesson.list(items);

    viz::Table table{{"mistake", "logits by", "loss", "more"}, {}};
    if (lesson.embedded_model()) table.header.push_back("and so the text goes on");
    const double clean_loss = loss_with(lesson, {});
    table.rows.push_back(row(lesson, "", clean_loss));
    for (const std::string& name : mistakes) table.rows.push_back(row(lesson, name, clean_loss));
    lesson.table(table);
    lesson.text(
        fmt::format("\"By\": the largest difference of the logits after \"{}\", relative to the largest logit. Loss: "
                    "nats a token on a story that the small model has not seen. More: than without the mistake.",
                    prompt));

    const std::vector<int> tokens = lesson.tokenizer().encode_prompt(prompt);
    gemma::KVCache cache(lesson.model().config(), tokens.size());
    lesson.check("without a mistake: the model's own logits",
                 logits_off(lesson.model().forward(tokens, cache), gemma::forward_with({}, lesson.model(), tokens)),
                 1e-5, "the right pass");
}

}  // namespace lesson
