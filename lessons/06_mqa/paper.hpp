// The two tables of the slides, from Fast Transformer Decoding: One Write-Head is All You Need (Shazeer 2019).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace lesson {

// A row of the paper's table 1, WMT14 English to German.
struct Translation {
    const char* attention;
    std::size_t h, d_k, d_ff;
    double ln_ppl;
    const char *bleu_dev, *bleu_test;

    bool multi_query() const { return std::string(attention).find("query") != std::string::npos; }

    // Of attention and feed-forward: 6 layers on each side with d_model = 1024, an attention in each encoder layer and
    // two in each decoder layer.
    std::size_t parameters() const {
        constexpr std::size_t d_model = 1024, attentions = 6 + 2 * 6, feed_forwards = 12;
        const std::size_t queries_and_output = 2 * d_model * h * d_k;
        const std::size_t keys_and_values = 2 * d_model * (multi_query() ? 1 : h) * d_k;
        return attentions * (queries_and_output + keys_and_values) + feed_forwards * 2 * d_model * d_ff;
    }
};

inline const std::vector<Translation> translations = {
    {"multi-head", 8, 128, 4096, 1.424, "26.7", "27.7 / 28.4"},
    {"multi-query", 8, 128, 5440, 1.439, "26.5", "27.5 / 28.5"},
    {"multi-head local", 8, 128, 4096, 1.427, "26.6", "27.5 / 28.3"},
    {"multi-query local", 8, 128, 5440, 1.437, "26.5", "27.6 / 28.2"},
    {"multi-head", 1, 128, 6784, 1.518, "25.8", ""},
    {"multi-head", 2, 64, 6784, 1.480, "26.2", "26.8 / 27.9"},
    {"multi-head", 4, 32, 6784, 1.488, "26.1", ""},
    {"multi-head", 8, 16, 6784, 1.513, "25.8", ""},
};

// A row of the paper's table of costs.
struct Cost {
    const char* attention;
    double training, encoder, decoder, beam_encoder, beam_decoder;
};

inline const std::vector<Cost> costs = {{"multi-head", 13.2, 1.7, 46, 2.0, 203},
                                        {"multi-query", 13.0, 1.5, 3.8, 1.6, 32},
                                        {"multi-head local", 13.2, 1.7, 23, 1.9, 47},
                                        {"multi-query local", 13.0, 1.5, 3.3, 1.6, 16}};

}  // namespace lesson
