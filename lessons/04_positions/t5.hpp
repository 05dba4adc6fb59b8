// T5's relative position bias: its buckets, and the matrix that it adds to the scores.
#pragma once

#include "gemma/components/positions.hpp"
#include "lessons/lesson.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <string>
#include <vector>

namespace positions {

using gemma::Matrix;
using gemma::Sight;
using gemma::Tensor3;
using lesson::Lesson;

// The bucket of a distance from n^E in whole numbers: with E = 2^e, ln(n/E) / ln(128/E) = (log₂ n - e) / (7 - e).
inline std::size_t bucket_in_integers(std::size_t n, std::size_t buckets) {
    const std::size_t E = buckets / 2, e = E == 16 ? 4 : 3;
    if (n < E) return n;
    if (n >= gemma::t5_max_distance) return buckets - 1;
    unsigned __int128 power = 1;
    for (std::size_t i = 0; i < E; ++i) power *= n;
    std::size_t log2 = 0;  // of n^E, rounded down
    while (power >>= 1) ++log2;
    return E + (log2 - E * e) / (7 - e);
}

// "16 to 18", the distances of a bucket of keys before the query.
inline std::string distances_of(std::size_t bucket, Sight sight) {
    const auto bucket_of = [&](std::ptrdiff_t distance) { return gemma::t5_bucket(-distance, sight); };
    std::ptrdiff_t first = 0;
    while (bucket_of(first) != bucket) ++first;
    std::ptrdiff_t last = first;
    while (last < 10000 && bucket_of(last + 1) == bucket) ++last;
    if (last == 10000) return fmt::format("{} and more", first);
    return first == last ? std::to_string(first) : fmt::format("{} to {}", first, last);
}

inline void t5_buckets(Lesson& lesson) {
    lesson.step("T5: a number for each distance, added to the score");
    lesson.formula(
        "score(m, n) + B[bucket(n - m), h]       query at m, key at n, head h; B [32, H] is learned\n"
        "bucket(n) = n                                          n < E\n"
        "          = E + ⌊E ln(n/E) / ln(128/E)⌋, at most 2E - 1    n ≥ E");
    lesson.text(
        "\"Distance between words is more important than absolute positions\", says the slide. T5 adds nothing to the "
        "tokens. A decoder sees the past only: 32 buckets, E = 16. An encoder sees both sides: 16 buckets a side, E = "
        "8, and 16 is added for keys after the query. Below E each distance has a bucket of its own. From there on:");
    viz::Table table{{"decoder's bucket", "distances  ", "encoder's bucket", "distances"}, {}};
    for (std::size_t i = 0; i < 16; ++i) {
        std::vector<std::string> row = {std::to_string(16 + i), distances_of(16 + i, Sight::causal)};
        if (i < 8) row.insert(row.end(), {std::to_string(8 + i), distances_of(8 + i, Sight::bidirectional)});
        table.rows.push_back(row);
    }
    lesson.table(table);
    lesson.notice(
        "Near by, every step counts; far away, only the order of magnitude. From 128 on at the latest all is one "
        "bucket, so nothing ends here either, but 200 and 5000 tokens are the same to a layer of T5.");

    std::size_t wrong = 0;
    viz::Series decoder{"decoder", {}, {}, viz::Mark::points},
        encoder{"encoder, keys before the query", {}, {}, viz::Mark::points};
    for (std::size_t n = 0; n <= 1000; ++n) {
        const std::ptrdiff_t distance = static_cast<std::ptrdiff_t>(n);
        const std::size_t causal = gemma::t5_bucket(-distance, Sight::causal);
        const std::size_t before = gemma::t5_bucket(-distance, Sight::bidirectional);
        wrong += causal != bucket_in_integers(n, 32);
        wrong += before != bucket_in_integers(n, 16);
        if (n > 0) wrong += gemma::t5_bucket(distance, Sight::bidirectional) != 16 + before;
        if (n > 160) continue;
        decoder.x.push_back(static_cast<double>(n)), decoder.y.push_back(static_cast<double>(causal));
        encoder.x.push_back(static_cast<double>(n)), encoder.y.push_back(static_cast<double>(before));
    }
    lesson.check("T5's buckets, distances 0 to 1000, both sides", wrong == 0, "whole-number arithmetic");
    lesson.figure(
        "t5_buckets", {"T5's buckets", {"distance"}, {"bucket"}, {decoder, encoder}},
        "One bucket a distance near by, ever wider ones farther away, one for all from 128 on at the latest.");
}

inline void t5_bias(Lesson& lesson) {
    lesson.text(
        "The bias of a head is a matrix of stripes: the same number along each diagonal. A made-up table, which likes "
        "near keys, and those before the query more than those after (a trained one is learned, a column for each "
        "head):");
    Matrix table = Matrix::from_shape({gemma::t5_buckets, 1});
    for (std::size_t bucket = 0; bucket < gemma::t5_buckets; ++bucket) {
        table(bucket, 0) = 1.5f - 0.2f * static_cast<float>(bucket % 16) - (bucket >= 16 ? 0.5f : 0.0f);
    }
    const std::size_t S = 32;
    Tensor3 bias = gemma::t5_position_bias(table, S, S, Sight::bidirectional);
    lesson.trace()("t5_bias", bias);
    const std::vector<std::size_t> shown = {0, 1, 2, 8, 9, 10, 16, 17, 30, 31};
    viz::Table numbers{{"query"}, {}};
    for (const std::size_t key : shown) numbers.header.push_back(fmt::format("key {}", key));
    for (const std::size_t query : {0, 1, 2, 8, 16, 31}) {
        std::vector<std::string> row = {std::to_string(query)};
        for (const std::size_t key : shown) row.push_back(fmt::format("{:.1f}", bias(0, query, key)));
        numbers.rows.push_back(row);
    }
    lesson.table(numbers);

    bool stripes = true;
    viz::HeatMap map{"T5's position bias, a made-up table", "query", "key", {}};
    for (std::size_t query = 0; query < S; ++query) {
        map.rows.emplace_back(&bias(0, query, 0), &bias(0, query, 0) + S);
        for (std::size_t key = 0; key < S && query > 0 && key > 0; ++key) {
            stripes = stripes && bias(0, query, key) == bias(0, query - 1, key - 1);
        }
    }
    lesson.check("T5's bias is constant along its diagonals", stripes, "only distance counts");
    lesson.figure("t5_bias", map,
                  "What is added to the score of each query and key: stripes, because only distance counts.");
}

}  // namespace positions
