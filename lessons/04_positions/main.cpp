// Lesson 04: attention sees a set of tokens; three ways of telling it their order.

#include "gemma/components/mqa.hpp"
#include "gemma/components/positions.hpp"
#include "gemma/components/rope.hpp"
#include "gemma/components/softmax.hpp"
#include "gemma/error.hpp"
#include "gemma/linear/linear.hpp"
#include "lessons/04_positions/sentence.hpp"
#include "lessons/04_positions/similarity.hpp"
#include "lessons/04_positions/t5.hpp"
#include "lessons/breaks.hpp"
#include "lessons/lesson.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

using namespace positions;
using gemma::Matrix;
using gemma::Sight;
using gemma::Tensor3;
using lesson::Lesson;

namespace {

// Nothing here is trained.
struct Experiment {
    Matrix vectors = random_matrix(words.size(), D, 1);  // one for each word
    Head head = random_head(10), second_head = random_head(20);
    Matrix learned = random_matrix(8, D, 30);  // a table of 8 positions
    Matrix t5_table = random_matrix(gemma::t5_buckets, 1, 40);
};

std::string first_numbers(const Matrix& matrix, std::size_t row) {
    std::string text;
    for (std::size_t i = 0; i < 4; ++i) text += fmt::format("{:8.4f}", matrix(row, i));
    return text + " …";
}

std::string text_of(const Order& order) {
    std::string text;
    for (const std::size_t word : order) text += (text.empty() ? "" : " ") + words[word];
    return text;
}

// --- The steps -------------------------------------------------------------------------------------------------------

void a_set_of_tokens(Lesson& lesson, const Experiment& it) {
    lesson.step("Attention sees a set, not a sequence");
    lesson.formula(
        "scores  = query keyᵀ / √d        every token with every token   [T, T]\n"
        "context = softmax(scores) value  a weighted sum over the tokens [T, d]");
    lesson.text(fmt::format(
        "No place in this formula knows where a token stands, and a sum has no order. Two sentences of the same words, "
        "with opposite meanings, go through the same attention head ({} numbers a token, all random, no mask):",
        D));
    lesson.line("  A: " + text_of(sentence_a));
    lesson.line("  B: " + text_of(sentence_b));
    lesson.line("");

    const Matrix a = attend(rows_in_order(it.vectors, sentence_a), it.head, {}, lesson.trace("sentence_a"));
    const Matrix b = attend(rows_in_order(it.vectors, sentence_b), it.head, {}, lesson.trace("sentence_b"));
    viz::Table table{{"word", "place", "output in A", "place", "output in B"}, {}};
    for (std::size_t word = 0; word < words.size(); ++word) {
        const std::size_t in_b = place_of(word, sentence_b);
        table.rows.push_back(
            {words[word], std::to_string(word), first_numbers(a, word), std::to_string(in_b), first_numbers(b, in_b)});
    }
    lesson.table(table);

    double worst = 0;
    std::size_t orders = 0;
    Order order = sentence_a;
    do {
        const Matrix y = attend(rows_in_order(it.vectors, order), it.head);
        worst = std::max(worst, largest_difference(a, y, order));
        ++orders;
    } while (std::next_permutation(order.begin(), order.end()));
    lesson.notice(fmt::format(
        "Each word gets the same output in both sentences: the rows are permuted and nothing else. So it is in all {} "
        "orders of the five words; what differs is the last digit of float32, from adding in another order.",
        orders));
    lesson.check("no positions, no mask: the same rows in any order", worst, 2e-6, "a sum has no order");
}

void a_mask_tells(Lesson& lesson, const Experiment& it) {
    lesson.step("A causal mask tells some of the order");
    lesson.text(
        "A decoder lets a token see only itself and those before it. Then the outputs are no longer permuted rows: "
        "which words a word sees depends on the order. The largest difference of a word's output between A and B:");
    const Matrix xa = rows_in_order(it.vectors, sentence_a), xb = rows_in_order(it.vectors, sentence_b);
    const Extras causal{true};
    const Matrix a = attend(xa, it.head, causal), b = attend(xb, it.head, causal);
    const Matrix xa2 = xa + a, xb2 = xb + b;  // the residual sum, as between the layers of a model
    const Matrix a2 = attend(xa2, it.second_head, causal), b2 = attend(xb2, it.second_head, causal);

    viz::Table table{{"word", "sees in A", "sees in B", "one layer", "two layers"}, {}};
    for (std::size_t word = 0; word < words.size(); ++word) {
        const std::size_t in_b = place_of(word, sentence_b);
        const auto seen = [&](const Order& order, std::size_t place) {
            return text_of(Order(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(place) + 1));
        };
        table.rows.push_back({words[word], seen(sentence_a, word), seen(sentence_b, in_b),
                              fmt::format("{:.4f}", largest_difference(a, word, b, in_b)),
                              fmt::format("{:.4f}", largest_difference(a2, word, b2, in_b))});
    }
    lesson.table(table);
    lesson.notice(
        "One layer: \"the\" and \"ball\" see the same words before them and cannot tell in what order. Two layers: "
        "they can, because the words that they see have already seen different words.");
    lesson.check("one causal layer: the last word sees a set", largest_difference(a, 4, b, 4), 2e-6,
                 "a sum has no order");
    lesson.check("two causal layers: the last word tells the order", largest_difference(a2, 4, b2, 4) > 1e-3,
                 "Haviv et al. 2022");
}

// What attention gives when it looks at all it sees alike, and only the first token has the value 1.
void a_mask_counts(Lesson& lesson) {
    lesson.text(
        "One layer can even count. If it looks at all tokens alike, and only the first one, <bos>, has the value 1, "
        "then position m gets 1/(m + 1):");
    const std::size_t T = 8;
    gemma::KeyValues past(1, T, 1);
    Tensor3 nothing = xt::zeros<float>({T, std::size_t{1}, std::size_t{1}});
    Tensor3 value = nothing;
    value(0, 0, 0) = 1.0f;
    past.append(nothing, value);
    const Tensor3 context =
        gemma::attention_context(gemma::causal_softmax(gemma::attention_scores(nothing, past)), past);

    std::string positions, outputs;
    double worst = 0;
    for (std::size_t m = 0; m < T; ++m) {
        positions += fmt::format("{:>8}", m);
        outputs += fmt::format("{:8.4f}", context(m, 0, 0));
        worst = std::max(worst, std::abs(context(m, 0, 0) - 1.0 / static_cast<double>(m + 1)));
    }
    lesson.line("position" + positions);
    lesson.line("output  " + outputs);
    lesson.line("");
    lesson.notice(
        "Decoders were trained without any positions, and they are competitive (Haviv et al. 2022; that a first layer "
        "can count in this way is a theorem of Kazemnejad et al. 2023). Gemma tells positions openly.");
    lesson.check("a causal layer can count: 1/(m + 1)", worst, 1e-6, "closed form");
}

void learned_positions(Lesson& lesson, const Experiment& it) {
    lesson.step("Learned positions: a vector for each place");
    lesson.formula("x_t + P[m]        P [positions, D] is learned; m is the token's position");
    const auto output = [&](const Order& order, gemma::Trace trace) {
        const Matrix x = rows_in_order(it.vectors, order);
        return attend(gemma::add_positions(x, gemma::learned_positions(it.learned, 0, x.shape(0)), trace), it.head);
    };
    const Matrix a = output(sentence_a, lesson.trace("learned_a")), b = output(sentence_b, lesson.trace("learned_b"));
    lesson.text(fmt::format("The sentences again, with a table of {} positions. It is random here: nothing is trained.",
                            it.learned.shape(0)));
    viz::Table table{{"word", "output in A", "output in B", "difference"}, {}};
    for (std::size_t word = 0; word < words.size(); ++word) {
        const std::size_t in_b = place_of(word, sentence_b);
        table.rows.push_back({words[word], first_numbers(a, word), first_numbers(b, in_b),
                              fmt::format("{:.4f}", largest_difference(a, word, b, in_b))});
    }
    lesson.table(table);
    lesson.notice("Every word tells the sentences apart. But the table ends. A sentence of nine words:");
    bool refused = false;
    try {
        gemma::learned_positions(it.learned, 0, 9);
    } catch (const gemma::Error& error) {
        refused = true;
        lesson.line(fmt::format("  {}", error.what()));
    }
    lesson.line("");
    lesson.text(
        "The slide's \"Fixed context size, i.e., can't exploit to longer sequences\" is true of learned positions: "
        "there is no row for the position after the last.");
    lesson.check("a learned table ends after its last position", refused, "the slide");
}

void sinusoids(Lesson& lesson) {
    lesson.step("Sinusoidal positions: waves of many lengths");
    lesson.formula(
        "p(m)_{2j}   = sin(m θ_j)\n"
        "p(m)_{2j+1} = cos(m θ_j)        θ_j = 10000^(-2j/D),  j = 0 … D/2 - 1");
    const std::vector<std::size_t> positions = {0, 1, 2, 3, 10, 100, 1000, 1000000};
    viz::Table table{
        {"position", "sin mθ₀", "cos mθ₀", "sin mθ₁", "cos mθ₁", "sin mθ₂", "cos mθ₂", "sin mθ₃", "cos mθ₃"}, {}};
    for (const std::size_t m : positions) {
        const Matrix p = gemma::sinusoidal_positions(m, 1, D);
        std::vector<std::string> row = {std::to_string(m)};
        for (const float value : p) row.push_back(fmt::format("{:.4f}", value));
        table.rows.push_back(row);
    }
    lesson.table(table);
    lesson.notice(
        "The first pair turns by 1 radian a token, the last one, here, by 1/1000. Nothing ends: position 1000000 has "
        "its vector, so \"fixed context size\" is not true of sinusoids. That a vector exists does not mean that a "
        "model trained on short texts knows what to do with it: Press et al. 2021 found that it soon gets worse.");
    lesson.text("Learned or sinusoidal? Vaswani et al. 2017, table 3, on translation (English to German):");
    lesson.table({{"positions", "perplexity (dev)", "BLEU (dev)"},
                  {{"sinusoidal (base)", "4.92", "25.8"}, {"learned (row E)", "4.92", "25.7"}}});

    const std::size_t tokens = 64, wide = 64;
    const Matrix p = gemma::sinusoidal_positions(0, tokens, wide);
    viz::HeatMap map{"Sinusoidal positions", "position", "number of the vector", {}};
    for (std::size_t m = 0; m < tokens; ++m) map.rows.emplace_back(&p(m, 0), &p(m, 0) + wide);
    lesson.figure("sinusoids", map,
                  "The vectors of positions 0 to 63, 64 numbers each: fast waves left, slow ones right.");
}

// --- All of them -----------------------------------------------------------------------------------------------------

// The head's output for a sentence whose first word stands at `first`, with one of the ways to tell positions.
Matrix output_with(const std::string& way, const Experiment& it, const Order& order, std::size_t first) {
    const Matrix x = rows_in_order(it.vectors, order);
    const std::size_t T = x.shape(0);
    if (way == "learned") return attend(x + gemma::learned_positions(it.learned, first, T), it.head);
    if (way == "sinusoidal") return attend(x + gemma::sinusoidal_positions(first, T, D), it.head);
    if (way == "T5's bias") {
        const Tensor3 bias = gemma::t5_position_bias(it.t5_table, T, T, Sight::bidirectional);
        return attend(x, it.head, {false, &bias});
    }
    if (way == "RoPE") {
        const gemma::Rotation rotation = gemma::rope_rotation(first, T, D);
        return attend(x, it.head, {false, nullptr, &rotation});
    }
    return attend(x, it.head);
}

void all_ways(Lesson& lesson, const Experiment& it) {
    lesson.step("Which tells what");
    lesson.text(
        "The slide: \"Absolute position: learned embeddings and sinusoidal. Relative position: T5 relative position "
        "bias\". Two experiments with each, without a mask. Order: the largest change of a word's output from sentence "
        "A to B. Shift: the largest change when sentence A moves three positions on, as if three words stood before it "
        "unseen.");
    viz::Table table{{"positions", "order", "shift", "absolute or relative", "context"}, {}};
    const std::vector<std::array<std::string, 3>> ways = {{"none", "neither", "any"},
                                                          {"learned", "absolute", "as long as the table"},
                                                          {"sinusoidal", "absolute", "any, but see step 4"},
                                                          {"T5's bias", "relative", "any, one bucket far away"},
                                                          {"RoPE", "relative", "any, see lesson 05"}};
    bool told = true, shifted = true;
    double relative_shift = 0;
    for (const auto& [way, kind, context] : ways) {
        const Matrix a = output_with(way, it, sentence_a, 0);
        const double order = largest_difference(a, output_with(way, it, sentence_b, 0), sentence_b);
        const double shift = largest_difference(a, output_with(way, it, sentence_a, 3), sentence_a);
        if (way != "none") told = told && order > 1e-2;
        if (kind == "absolute") shifted = shifted && shift > 1e-2;
        if (kind == "relative") relative_shift = std::max(relative_shift, shift);
        table.rows.push_back({way, fmt::format("{:.4f}", order), fmt::format("{:.4f}", shift), kind, context});
    }
    lesson.table(table);
    lesson.notice(
        "An absolute position changes the output when the same sentence stands elsewhere, a relative one does not. "
        "RoPE turns each vector by its absolute position, and the score keeps the distance only: lesson 05.");
    lesson.check("learned, sinusoidal, T5, RoPE: order counts", told, "the outputs differ");
    lesson.check("learned, sinusoidal: a shift counts", shifted, "the outputs differ");
    lesson.check("T5's bias, RoPE: a shift does not count", relative_shift, 2e-6, "only distance counts");
}

}  // namespace

int main(int argc, char** argv) {
    return lesson::run(
        argc, argv,
        {"04_positions", "Positions",
         "Why attention needs to be told the order of the tokens, and three ways that came before RoPE."},
        [](Lesson& lesson) {
            const Experiment experiment;
            a_set_of_tokens(lesson, experiment);
            a_mask_tells(lesson, experiment);
            a_mask_counts(lesson);
            learned_positions(lesson, experiment);
            sinusoids(lesson);
            similarity(lesson);
            similarity_as_attention_sees_it(lesson);
            sinusoids_turn(lesson);
            t5_buckets(lesson);
            t5_bias(lesson);
            all_ways(lesson, experiment);
            lesson::what_breaks(lesson, "a model is not told the positions", {"rope-missing", "rope-wrong-axis"});
        });
}
