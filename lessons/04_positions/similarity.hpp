// Are close positions alike? Sinusoids and a random table, bare and as attention sees them.
#pragma once

#include "gemma/components/positions.hpp"
#include "gemma/components/rope.hpp"
#include "gemma/linear/linear.hpp"
#include "lessons/04_positions/sentence.hpp"
#include "lessons/lesson.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace positions {

using lesson::Lesson;

// (1 / (D/2)) Σ_j cos(r θ_j): the cosine of two sinusoidal positions at distance r.
inline double closed_form(double distance, std::size_t numbers) {
    double sum = 0;
    for (std::size_t j = 0; j < numbers / 2; ++j) {
        sum += std::cos(distance * std::pow(10000.0, -2.0 * static_cast<double>(j) / static_cast<double>(numbers)));
    }
    return sum / (static_cast<double>(numbers) / 2);
}

inline constexpr std::size_t wide = 128;  // numbers a position, where positions are compared

inline void similarity(Lesson& lesson) {
    lesson.step("Are close positions alike?");
    lesson.text(
        "The slide says: \"We expect to closer positions to be similar to each other. However, this is not what "
        "happens.\" For sinusoids there is a closed form, because cos a cos b + sin a sin b = cos(a - b):");
    lesson.formula("p(m) · p(n) = Σ_j cos((m - n) θ_j)");
    const Matrix random = random_matrix(1200, wide, 50);
    const auto sinusoidal = [](std::size_t m, std::size_t n) {
        return cosine(gemma::sinusoidal_positions(m, 1, wide), 0, gemma::sinusoidal_positions(n, 1, wide), 0);
    };
    lesson.text(
        fmt::format("Similarity is the cosine of two vectors, {} numbers each: 1 for the same direction.", wide));
    viz::Table table{{"distance r", "p(0), p(r)", "p(5000), p(5000 + r)", "closed form", "random table"}, {}};
    double worst = 0;
    viz::Series measured{"sinusoids, measured", {}, {}, viz::Mark::points},
        untrained{"a random table", {}, {}, viz::Mark::points};
    for (const std::size_t r : {0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000}) {
        const double exact = closed_form(static_cast<double>(r), wide);
        const double here = sinusoidal(0, r), there = sinusoidal(5000, 5000 + r),
                     table_row = cosine(random, 0, random, r);
        worst = std::max({worst, std::abs(here - exact), std::abs(there - exact)});
        table.rows.push_back({std::to_string(r), fmt::format("{:.4f}", here), fmt::format("{:.4f}", there),
                              fmt::format("{:.4f}", exact), fmt::format("{:.4f}", table_row)});
        if (r > 100) continue;
        measured.x.push_back(static_cast<double>(r)), measured.y.push_back(here);
        untrained.x.push_back(static_cast<double>(r)), untrained.y.push_back(table_row);
    }
    lesson.table(table);
    lesson.check("p(m)·p(n) = Σ cos((m - n) θ_j), also 5000 tokens on", worst, 1e-6, "closed form");

    std::size_t first_rise = 0, rises = 0, farther_but_as_alike = 0;
    for (std::size_t r = 1; r <= 100; ++r) {
        if (closed_form(static_cast<double>(r), wide) <= closed_form(static_cast<double>(r - 1), wide)) continue;
        if (first_rise == 0) first_rise = r;
        ++rises;
    }
    for (std::size_t r = 2; r < 8192; ++r) {
        farther_but_as_alike += closed_form(static_cast<double>(r), wide) >= closed_form(1, wide);
    }
    lesson.notice(fmt::format(
        "For sinusoids the expectation holds near by: similarity depends on the distance only and falls up to distance "
        "{}. Then it goes in waves: on {} of the first 100 steps it rises, so a farther position can be the more "
        "similar one. Of all distances from 2 to 8191, {} are as similar as the next neighbour.",
        first_rise - 1, rises, farther_but_as_alike));
    lesson.notice(
        "In a random table all pairs are about equally unlike: nothing in the formula x + P[m] makes neighbours alike. "
        "Training may or may not do it. In this sense the slide is right of learned positions.");
    lesson.check("of 8191 distances, 1 is the most similar", farther_but_as_alike == 0, "closed form");
    lesson.figure(
        "similarity",
        {"How alike are two positions?",
         {"distance"},
         {"cosine"},
         {viz::curve(
              "sinusoids, closed form", 0, 100, [](double r) { return closed_form(r, wide); }, 401),
          measured, untrained}},
        "Similarity of two positions by their distance: sinusoids fall, then go in waves; a random table has none.");
}

inline void similarity_as_attention_sees_it(Lesson& lesson) {
    lesson.text(
        "But attention never takes p(m)·p(n). It sees positions through its matrices, (W_q p(m)) · (W_k p(n)). With "
        "random matrices, the cosine of the two, for queries at positions 0 to 199:");
    const std::size_t queries = 200, reach = 100;
    const Matrix p = gemma::sinusoidal_positions(0, queries + reach, wide);
    const Matrix query_weight = random_matrix(wide, wide, 60), key_weight = random_matrix(wide, wide, 61);
    const Matrix query = gemma::linear(p, gemma::WeightMatrix::of(query_weight));
    const Matrix key = gemma::linear(p, gemma::WeightMatrix::of(key_weight));
    viz::Table table{{"distance r", "p(m), p(m + r)", "average through W_q, W_k", "smallest", "largest"}, {}};
    double widest = 0;
    for (const std::size_t r : {0, 1, 2, 5, 20, 100}) {
        double sum = 0, least = 1, most = -1;
        for (std::size_t m = 0; m < queries; ++m) {
            const double value = cosine(query, m, key, m + r);
            sum += value;
            least = std::min(least, value);
            most = std::max(most, value);
        }
        widest = std::max(widest, most - least);
        table.rows.push_back({std::to_string(r), fmt::format("{:.4f}", closed_form(static_cast<double>(r), wide)),
                              fmt::format("{:.4f}", sum / static_cast<double>(queries)), fmt::format("{:.4f}", least),
                              fmt::format("{:.4f}", most)});
    }
    lesson.table(table);
    lesson.notice(
        "The peak at distance 0 is gone, and at one distance the score takes many values: it depends on m again. The "
        "matrices can learn to keep the distance, but nothing helps them (Yan et al. 2019 draw the same picture). This "
        "is the deeper sense of the slide's \"not what happens\", and what RoPE repairs: it turns after the matrices.");
    lesson.check("through W_q and W_k more than the distance counts", widest > 0.1, "Yan et al. 2019");

    const std::size_t centre = 100;
    viz::Series plain{"p(100) · p(n)", {}, {}}, seen{"(W_q p(100)) · (W_k p(n))", {}, {}};
    for (std::size_t n = 0; n <= 2 * centre; ++n) {
        plain.x.push_back(static_cast<double>(n)), plain.y.push_back(cosine(p, centre, p, n));
        seen.x.push_back(static_cast<double>(n)), seen.y.push_back(cosine(query, centre, key, n));
    }
    lesson.figure(
        "through_matrices", {"What attention sees of sinusoids", {"position n of the key"}, {"cosine"}, {plain, seen}},
        "A query at position 100: the vectors themselves have a peak there, behind random matrices it is gone.");
}

// p(m + k) is p(m) with each pair turned by k θ_j: the step from here to RoPE.
inline void sinusoids_turn(Lesson& lesson) {
    lesson.text(
        "One more property leads to the next lesson. To move a sinusoid by k tokens is to turn each of its pairs by k "
        "θ_j, the same rotation from wherever it starts. The library's RoPE does it, given (cos, sin) pairs in its own "
        "order:");
    const auto halves = [](std::size_t m) {  // (cos …, sin …): RoPE's pairs are (j, j + D/2)
        const Matrix p = gemma::sinusoidal_positions(m, 1, D);
        Tensor3 x = Tensor3::from_shape({1, 1, D});
        for (std::size_t j = 0; j < D / 2; ++j) x(0, 0, j) = p(0, 2 * j + 1), x(0, 0, j + D / 2) = p(0, 2 * j);
        return x;
    };
    double worst = 0;
    for (const std::size_t m : {0, 3, 40, 700}) {
        for (const std::size_t k : {1, 2, 10, 64}) {
            const Tensor3 turned = gemma::rope(halves(m), gemma::rope_rotation(k, 1, D)), moved = halves(m + k);
            for (std::size_t i = 0; i < D; ++i)
                worst = std::max(worst, std::abs(1.0 * turned(0, 0, i) - moved(0, 0, i)));
        }
    }
    lesson.formula(
        "(cos (m+k)θ)   (cos kθ  -sin kθ) (cos mθ)\n"
        "(sin (m+k)θ) = (sin kθ   cos kθ) (sin mθ)");
    lesson.check("p(m + k) is p(m) turned by k", worst, 1e-5, "Vaswani et al. 2017");
}

}  // namespace positions
