// Does the score fall with distance? RoFormer's bound, and averages over random queries and keys.
#pragma once

#include "lessons/05_rope/planes.hpp"
#include "lessons/lesson.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <string>
#include <vector>

namespace planes {

using lesson::Lesson;

/// (2/d) Σ_j cos(r θ_j): the average of (turned q)·q / |q|² over random q, at distance r.
inline double average_score(double distance, std::size_t d) {
    double sum = 0;
    for (std::size_t j = 0; j < d / 2; ++j) sum += std::cos(distance * frequency(j, d));
    return sum / (static_cast<double>(d) / 2);
}

/// RoFormer's bound, section 3.4.3: (2/d) Σ_n |S_n| with S_n = Σ_{j < n} exp(i r θ_j), n = 1 … d/2.
inline double decay_bound(double distance, std::size_t d) {
    std::complex<double> partial = 0;
    double sum = 0;
    for (std::size_t j = 0; j < d / 2; ++j) {
        partial += std::polar(1.0, distance * frequency(j, d));
        sum += std::abs(partial);
    }
    return sum / (static_cast<double>(d) / 2);
}

/// max_n |h_{n+1} - h_n|, the bound's other factor; after the last pair comes 0.
inline double steepest(const Vector& q, const Vector& k) {
    const std::size_t pairs = q.size() / 2;
    const auto pair = [pairs](const Vector& x, std::size_t j) { return std::complex<double>(x(j), x(j + pairs)); };
    double largest = 0;
    for (std::size_t j = 0; j < pairs; ++j) {
        const std::complex<double> here = pair(q, j) * std::conj(pair(k, j));
        const std::complex<double> next = j + 1 < pairs ? pair(q, j + 1) * std::conj(pair(k, j + 1)) : 0;
        largest = std::max(largest, std::abs(next - here));
    }
    return largest;
}

inline void decay(Lesson& lesson) {
    lesson.step("Does the score fall with distance?");
    lesson.formula(
        "|score| ≤ max_n |h_{n+1} - h_n| · Σ_n |S_n|      S_n = Σ_{j < n} exp(i r θ_j),  n = 1 … d/2\n"
        "h_j = (q_j + i q_{j+d/2}) (k_j - i k_{j+d/2})    pair j of q times that of k, as complex numbers\n"
        "average over random q = k:                       score / |q|² = (2/d) Σ_j cos(r θ_j)");
    lesson.text(
        "RoFormer, section 3.4.3, bounds the score by a sum that shrinks as the distance r grows. The table has the "
        "bound's sum, over d/2; the average over 1000 random q = k; its closed form, which is the similarity of two "
        "sinusoids of lesson 04; and the average over 1000 random pairs of q and k that have nothing to do with each "
        "other:");
    const std::size_t samples = 1000;
    const std::vector<std::size_t> distances = {0, 1, 2, 5, 10, 20, 50, 100, 150, 200, 256, 1000, 4000};
    viz::Table table{{"distance r", "bound (2/d) Σ|S_n|", "q = k, average", "closed form", "q and k unrelated"}, {}};
    viz::Series measured{"q = k, average of 1000", {}, {}, viz::Mark::points},
        unrelated{"unrelated q and k", {}, {}, viz::Mark::points};
    std::vector<Vector> queries, keys;
    for (std::size_t sample = 0; sample < samples; ++sample) {
        queries.push_back(random_vector(gemma_head, 1000 + sample));
        keys.push_back(random_vector(gemma_head, 9000 + sample));
    }
    double worst = 0, closest = 0;  // to the closed form; to the bound
    for (const std::size_t r : distances) {
        const double exact = average_score(static_cast<double>(r), gemma_head);
        const double bound = decay_bound(static_cast<double>(r), gemma_head);
        double same = 0, other = 0;
        for (std::size_t sample = 0; sample < samples; ++sample) {
            const Vector &q = queries[sample], &k = keys[sample];
            const Vector moved = turned(q, r);
            same += dot(moved, q) / dot(q, q) / samples;
            other += dot(moved, k) / (length(q) * length(k)) / samples;
            const double limit = bound * gemma_head / 2;
            closest = std::max(closest, std::abs(dot(moved, k)) / (limit * steepest(q, k)));
            closest = std::max(closest, std::abs(dot(moved, q)) / (limit * steepest(q, q)));
        }
        worst = std::max(worst, std::abs(same - exact));
        table.rows.push_back({std::to_string(r), fmt::format("{:.3f}", bound), fmt::format("{:.4f}", same),
                              fmt::format("{:.4f}", exact), fmt::format("{:.4f}", other)});
        if (r > 256) continue;
        measured.x.push_back(static_cast<double>(r)), measured.y.push_back(same);
        unrelated.x.push_back(static_cast<double>(r)), unrelated.y.push_back(other);
    }
    lesson.table(table);
    lesson.notice(
        fmt::format("A key like the query scores best near by, and the average falls, in waves. For q and k that are "
                    "unrelated nothing falls: the average is near 0 at every distance. And the bound is far away: none "
                    "of these {} scores reaches more than {:.1f} % of it.",
                    2 * samples * distances.size(), 100 * closest));
    lesson.notice(
        "What a trained head does is up to its weights: they can put the peak at any distance. Barbero et al. 2024 "
        "looked into Gemma 7B: they argue that decay is unlikely to be why RoPE is useful, and find fast pairs used "
        "for positions and slow ones, most of all, probably for meaning.");
    lesson.check("average over 1000 random q = k", worst, 0.01, "(2/d) Σ cos(r θ_j)");
    lesson.check("largest share of RoFormer's bound", closest, 1.0, "RoFormer, 3.4.3");
    lesson.figure(
        "score_by_distance",
        {"Score against distance, d = 256",
         {"distance"},
         {"score / (|q| |k|)"},
         {viz::curve(
              "(2/d) Σ cos(r θ_j)", 0, 256, [](double r) { return average_score(r, gemma_head); }, 513),
          measured, unrelated}},
        "The average score of a query with a key like itself falls with distance, in waves; unrelated ones stay at 0.");
    lesson.figure("bound",
                  {"RoFormer's bound, d = 256",
                   {"distance"},
                   {"(2/d) Σ |S_n|"},
                   {viz::curve(
                       "bound", 0, 256, [](double r) { return decay_bound(r, gemma_head); }, 513)}},
                  "The sum in RoFormer's bound (section 3.4.3): it shrinks with distance, in waves too.");
}

}  // namespace planes
