#include "gemma/trace/compare.hpp"

#include "gemma/dtype.hpp"
#include "gemma/error.hpp"
#include "gemma/trace/layout.hpp"
#include "gemma/trace/names.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace gemma {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

Shape with_last_two_merged(Shape shape) {
    if (shape.size() < 2) return shape;
    const std::size_t last = shape.back();
    shape.pop_back();
    shape.back() *= last;
    return shape;
}

// Whether two shapes hold the same numbers in the same order: axes of 1 say nothing, and [T, H, d] is [T, H·d].
// [H, T, d] is another order, whatever its size.
bool same_order(const Shape& a, const Shape& b) {
    const Shape left = without_ones(a), right = without_ones(b);
    return left == right || with_last_two_merged(left) == right || left == with_last_two_merged(right);
}

// Which numbers of a tensor count.
class Visible {
public:
    // All of them, but of scores [.., T, S] in row t, the token at position first + t, only those up to that token.
    Visible(const std::string& name, const Shape& shape, const TokenRange& range) {
        if (!is_scores(name) || shape.size() < 2) return;
        rows_ = shape[shape.size() - 2];
        columns_ = shape.back();
        first_ = !range.all() ? range.begin : columns_ > rows_ ? columns_ - rows_ : 0;
    }

    bool operator()(std::size_t i) const { return columns_ == 0 || i % columns_ <= first_ + i / columns_ % rows_; }

private:
    std::size_t rows_ = 0, columns_ = 0;  // no columns: all count
    std::size_t first_ = 0;
};

double difference_of(float a, float b) {
    if (a == b || (std::isnan(a) && std::isnan(b))) return 0;
    if (!std::isfinite(a) || !std::isfinite(b)) return infinity;
    return std::fabs(static_cast<double>(a) - static_cast<double>(b));
}

// a / b for numbers that are at least 0, where nothing of nothing is nothing.
double ratio(double a, double b) { return a == 0 ? 0 : a / b; }

double cosine_of(double product, double squares_a, double squares_b) {
    if (squares_a == 0 && squares_b == 0) return 1;
    if (squares_a == 0 || squares_b == 0) return 0;
    return product / (std::sqrt(squares_a) * std::sqrt(squares_b));
}

// One unit in the last place of a bfloat16 of this magnitude, which has 8 significant bits: 2^(e - 7) for one from 2^e
// up to 2^(e + 1). Below the smallest normal number the units no longer shrink.
double bfloat16_unit(double magnitude) {
    constexpr int smallest_exponent = std::numeric_limits<float>::min_exponent - 1;
    const int exponent = magnitude == 0 ? smallest_exponent : std::ilogb(magnitude);
    return std::ldexp(1.0, std::max(exponent, smallest_exponent) - 7);
}

// How many units of the last place lie between the two as bfloat16 numbers: 0 for the same, 1 for neighbours.
double bfloat16_units(float a, float b) {
    const float left = bfloat16_to_float(float_to_bfloat16(a)), right = bfloat16_to_float(float_to_bfloat16(b));
    const double difference = difference_of(left, right);
    if (difference == 0 || std::isinf(difference)) return difference;
    return difference / bfloat16_unit(std::max(std::fabs(left), std::fabs(right)));
}

// The sums over all pairs of numbers that count.
struct Sums {
    std::size_t count = 0, same_bfloat16 = 0;
    std::size_t place = 0;  // of the largest difference
    double magnitude = 0, product = 0, squares_a = 0, squares_b = 0, squares_of_differences = 0;

    void add(float a, float b) {
        const double difference = difference_of(a, b);
        squares_of_differences += difference * difference;
        if (!std::isfinite(a) || !std::isfinite(b)) return;
        magnitude = std::max(magnitude, std::fabs(static_cast<double>(a)));
        product += static_cast<double>(a) * b;
        squares_a += static_cast<double>(a) * a;
        squares_b += static_cast<double>(b) * b;
    }
};

Sums sum_up(TensorComparison& row, const std::vector<float>& a, const std::vector<float>& b, const Visible& visible) {
    Sums sums;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (!visible(i)) continue;
        const double difference = difference_of(a[i], b[i]), units = bfloat16_units(a[i], b[i]);
        if (difference > row.difference) {
            row.difference = difference;
            sums.place = i;
        }
        row.units = std::max(row.units, units);
        ++sums.count;
        sums.same_bfloat16 += units == 0;
        sums.add(a[i], b[i]);
    }
    return sums;
}

// Of the numbers that count, the share whose difference is at most `largest`.
double share_within(double largest, const std::vector<float>& a, const std::vector<float>& b, const Visible& visible) {
    std::size_t count = 0, within = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (!visible(i)) continue;
        ++count;
        within += difference_of(a[i], b[i]) <= largest;
    }
    return count == 0 ? 1 : static_cast<double>(within) / static_cast<double>(count);
}

void compare_numbers(TensorComparison& row, const std::vector<float>& a, const std::vector<float>& b,
                     const Visible& visible) {
    const Sums sums = sum_up(row, a, b, visible);
    row.relative = ratio(row.difference, sums.magnitude);
    row.rms = std::sqrt(ratio(sums.squares_of_differences, sums.squares_a));
    row.cosine = cosine_of(sums.product, sums.squares_a, sums.squares_b);
    row.within = share_within(row.tolerance * sums.magnitude, a, b, visible);
    if (sums.count > 0) {
        const auto count = static_cast<double>(sums.count);
        row.rms_difference = std::sqrt(sums.squares_of_differences / count);
        row.identical = static_cast<double>(sums.same_bfloat16) / count;
    }
    row.match = row.relative <= row.tolerance ? Match::same : Match::different;
    if (a.empty()) return;
    row.index = place_of(sums.place, row.reference_shape);
    row.reference_number = a[sums.place];
    row.other_number = b[sums.place];
}

TensorComparison only_in(const std::string& name, const Record& record, Match match) {
    TensorComparison row;
    row.name = name;
    row.match = match;
    (match == Match::only_in_reference ? row.reference_shape : row.other_shape) = record.shape(name);
    return row;
}

}  // namespace

TensorComparison compare_tensor(const std::string& name, const Record& reference, const Record& other,
                                double tolerance) {
    TensorComparison row;
    row.name = name;
    row.tolerance = tolerance;
    row.reference_shape = reference.shape(name);
    row.other_shape = other.shape(name);
    if (!same_order(row.reference_shape, row.other_shape)) {
        row.match = Match::other_shape;
        return row;
    }
    row.reshaped = row.reference_shape != row.other_shape;
    const TokenRange range = reference.range().all() ? other.range() : reference.range();
    compare_numbers(row, reference.tensor(name).numbers, other.tensor(name).numbers,
                    Visible(name, row.reference_shape, range));
    return row;
}

double default_tolerance(const std::string& name) { return name == "lm_head" ? 5e-5 : 1e-5; }

std::size_t Comparison::count(Match match) const {
    return static_cast<std::size_t>(std::count_if(
        tensors.begin(), tensors.end(), [&](const TensorComparison& tensor) { return tensor.match == match; }));
}

const TensorComparison* Comparison::first_divergence() const {
    const auto found =
        std::find_if(tensors.begin(), tensors.end(), [](const TensorComparison& tensor) { return tensor.diverges(); });
    return found == tensors.end() ? nullptr : &*found;
}

Comparison compare(const Record& reference, const Record& other, std::optional<double> tolerance) {
    const std::vector<std::string> names = reference.names(), other_names = other.names();
    const std::set<std::string> in_reference(names.begin(), names.end());
    const std::set<std::string> in_other(other_names.begin(), other_names.end());

    std::set<ForwardOrder> all;
    for (const std::string& name : names) all.insert(forward_order(name));
    for (const std::string& name : other_names) all.insert(forward_order(name));
    if (all.size() == names.size() + other_names.size()) {
        fail("the two have no tensor name in common: found {} and {} tensors, expected at least one in both",
             names.size(), other_names.size());
    }

    Comparison comparison;
    for (const ForwardOrder& order : all) {
        const std::string& name = std::get<std::string>(order);
        if (in_other.count(name) == 0) {
            comparison.tensors.push_back(only_in(name, reference, Match::only_in_reference));
        } else if (in_reference.count(name) == 0) {
            comparison.tensors.push_back(only_in(name, other, Match::only_in_other));
        } else {
            comparison.tensors.push_back(
                compare_tensor(name, reference, other, tolerance.value_or(default_tolerance(name))));
        }
    }
    return comparison;
}

std::string different_runs(const std::vector<int>& a, TokenRange rows, const std::vector<int>& b,
                           TokenRange other_rows) {
    if (a.empty() || b.empty()) return "";
    const std::size_t both = std::min(a.size(), b.size());
    const auto place = static_cast<std::size_t>(
        std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(both), b.begin()).first - a.begin());
    if (place < both) return fmt::format("the tokens differ: token {} is {} and {}", place, a[place], b[place]);
    if (a.size() != b.size()) return fmt::format("the tokens differ: there are {} and {}", a.size(), b.size());

    if (rows.begin != other_rows.begin || std::min(rows.end, a.size()) != std::min(other_rows.end, b.size())) {
        return fmt::format("the rows differ: those of tokens {} to {}, and {} to {}", rows.begin,
                           std::min(rows.end, a.size()) - 1, other_rows.begin, std::min(other_rows.end, b.size()) - 1);
    }
    return "";
}

std::string different_runs(const TraceFile& reference, const TraceFile& other) {
    return different_runs(reference.header().tokens, reference.range(), other.header().tokens, other.range());
}

}  // namespace gemma
