#include "gemma/trace/foreign_trace.hpp"

#include "gemma/error.hpp"
#include "gemma/strings.hpp"
#include "gemma/trace/name_map.hpp"
#include "gemma/trace/names.hpp"
#include "gemma/trace/tensor_file.hpp"

#include <algorithm>
#include <limits>

namespace gemma {

namespace {

constexpr std::size_t most_tokens = std::size_t{1} << 24;
constexpr std::string_view fused = ".qkv_proj";

bool is_token_name(const std::string& name) {
    return name == "tokens" || name == "input_ids" || name == "token_ids" || name == "inp_tokens";
}

// A query, key, value or context: [T, H, d].
bool has_heads(const std::string& name, const Shape& expected) {
    return expected.size() == 3 && token_axis(name, expected) == 0;
}

std::vector<std::string> names_of(const TensorFile& file) {
    std::vector<std::string> names;
    for (const StoredArray& array : file.arrays()) names.push_back(array.name);
    return names;
}

// What a tensor [T, D] of the residual stream tells of T and D where they are not known. Shapes that may count from
// the innermost axis tell only with D.
void learn_sizes(TraceSizes& sizes, const Shape& shape, bool ggml_shapes) {
    const Shape axes = without_ones(shape);
    if (axes.size() != 2) return;
    if (sizes.D == 0 && !ggml_shapes) sizes.D = axes[1];
    if (sizes.T == 0 && axes[1] == sizes.D) sizes.T = axes[0];
    if (sizes.T == 0 && axes[0] == sizes.D) sizes.T = axes[1];
}

}  // namespace

ForeignTrace::ForeignTrace(const std::filesystem::path& path, const TraceSizes& sizes, const ForeignOptions& options)
    : file_(open_tensor_file(path)), convention_(&convention_of(names_of(*file_))), header_(file_->header()) {
    read_tokens();
    place_all(sizes, options);
    for (const auto& [name, place] : places_) names_.push_back(name);
    sort_in_forward_order(names_);
}

ForeignTrace::~ForeignTrace() = default;
ForeignTrace::ForeignTrace(ForeignTrace&&) noexcept = default;
ForeignTrace& ForeignTrace::operator=(ForeignTrace&&) noexcept = default;

const std::filesystem::path& ForeignTrace::path() const { return file_->path(); }
const std::string& ForeignTrace::convention() const { return convention_->name; }
TokenRange ForeignTrace::range() const { return file_->range(); }
bool ForeignTrace::is_trace() const { return file_->is_trace(); }

void ForeignTrace::read_tokens() {
    const std::vector<StoredArray>& arrays = file_->arrays();
    is_tokens_.assign(arrays.size(), false);
    for (std::size_t i = 0; i < arrays.size(); ++i) {
        if (!is_token_name(arrays[i].name)) continue;
        if (!arrays[i].integers) {
            fail("{}: {} are {}, expected integers", path().string(), arrays[i].name, arrays[i].type);
        }
        is_tokens_[i] = true;
        if (!header_.tokens.empty()) continue;
        const std::size_t count = element_count(arrays[i].shape);
        if (without_ones(arrays[i].shape).size() > 1 || count > most_tokens) {
            fail("{}: {} have shape {}, expected one run of at most {} tokens", path().string(), arrays[i].name,
                 to_string(arrays[i].shape), most_tokens);
        }
        for (const std::int64_t token : file_->read_integers(i)) {
            if (token < 0 || token > std::numeric_limits<int>::max()) {
                fail("{}: {} have {} among them, expected token ids", path().string(), arrays[i].name, token);
            }
            header_.tokens.push_back(static_cast<int>(token));
        }
    }
}

void ForeignTrace::place_all(const TraceSizes& known, const ForeignOptions& options) {
    const std::vector<StoredArray>& arrays = file_->arrays();
    std::vector<NameRule> rules;
    if (!options.names.empty()) rules = read_name_rules(options.names);
    rules.insert(rules.end(), convention_->rules.begin(), convention_->rules.end());
    const std::vector<Translation> translations =
        translate(names_of(*file_), rules, convention_->keeps_others, known.L);

    TraceSizes sizes = known;
    if (sizes.T == 0) sizes.T = header_.tokens.size();
    const TraceSizes letters = {1, 2, 3, 3, 4, 5, 6, 7};  // a shape of these tells which axis is which
    for (std::size_t i = 0; i < arrays.size(); ++i) {
        const bool is_residual = expected_shape(translations[i].ours, letters) == Shape{letters.T, letters.D};
        if (is_residual) learn_sizes(sizes, arrays[i].shape, convention_->ggml_shapes);
    }
    for (std::size_t i = 0; i < arrays.size(); ++i) {
        const std::string& ours = translations[i].ours;
        if (is_tokens_[i]) continue;
        if (ours.empty()) {
            left_out_.push_back({arrays[i].name, arrays[i].shape, translations[i].reason});
        } else if (!arrays[i].floats && !expected_shape(ours, sizes) && !ends_with(ours, fused)) {
            left_out_.push_back({arrays[i].name, arrays[i].shape, "is " + arrays[i].type + ", not floating point"});
        } else {
            place(i, ours, sizes, options.layout);
        }
    }
}

void ForeignTrace::place(std::size_t array, const std::string& ours, const TraceSizes& sizes, Layout layout) {
    const StoredArray& stored = file_->arrays()[array];
    if (!stored.floats) {
        fail("{}: {} is {}, expected float32, bfloat16, float16 or float64, little endian", path().string(),
             stored.name, stored.type);
    }
    if (ends_with(ours, fused)) {
        place_fused(array, ours.substr(0, ours.size() - fused.size()), sizes, layout);
    } else {
        keep(array, ours, expected_shape(ours, sizes), layout, 0, 0);
    }
}

// [T, (H + 2 K)·d]: the queries' columns, then the keys', then the values'.
void ForeignTrace::place_fused(std::size_t array, const std::string& attention, const TraceSizes& sizes,
                               Layout layout) {
    const StoredArray& stored = file_->arrays()[array];
    if (sizes.H == 0 || sizes.K == 0 || sizes.d == 0) {
        left_out_.push_back(
            {stored.name, stored.shape, "is q, k and v in one, and where they part is not known: give --config"});
        return;
    }
    const std::size_t all = (sizes.H + 2 * sizes.K) * sizes.d;
    std::size_t first = 0;
    for (const auto& [name, heads] : {std::pair("q_proj", sizes.H), {"k_proj", sizes.K}, {"v_proj", sizes.K}}) {
        keep(array, attention + "." + name, Shape{sizes.T, heads, sizes.d}, layout, first, all);
        first += heads * sizes.d;
    }
}

// Takes the array, or of `all_columns` columns those of a tensor of the expected shape, as a tensor of ours.
void ForeignTrace::keep(std::size_t array, const std::string& ours, const std::optional<Shape>& expected, Layout layout,
                        std::size_t first_column, std::size_t all_columns) {
    const StoredArray& stored = file_->arrays()[array];
    const Stored source = {stored.shape, stored.fortran_order};
    const Arrangement as_it_is = {false, false, stored.shape, stored.shape};
    if (places_.count(ours) != 0) {
        left_out_.push_back({stored.name, stored.shape, "is " + ours + ", which the file has under another name too"});
    } else if (!expected || file_->is_trace()) {
        places_[ours] = {array, as_it_is};
    } else {
        const bool is_part = all_columns != 0;
        const LayoutChoice choice = {layout, convention_->tokens_first || is_part, convention_->ggml_shapes};
        ArrangementFound found =
            arrange(source, is_part ? Shape{(*expected)[0], all_columns} : *expected,
                    !is_part && has_heads(ours, *expected), token_axis(ours, *expected) == 1, choice);
        if (found.arrangement && is_part) {
            Arrangement& part = *found.arrangement;
            part.shape = {element_count(stored.shape) / all_columns, (*expected)[1], (*expected)[2]};
            part.first_column = first_column;
            part.columns = part.shape[1] * part.shape[2];
        }
        if (found.arrangement) {
            places_[ours] = {array, *found.arrangement};
        } else if (convention_->keeps_others && !found.ambiguous) {
            places_[ours] = {array, as_it_is};  // a shape that does not fit is the comparison's to tell
        } else {
            left_out_.push_back({stored.name, stored.shape, found.reason});
        }
    }
}

const ForeignTrace::Place& ForeignTrace::find(const std::string& name) const {
    const auto found = places_.find(name);
    if (found == places_.end()) fail("{}: found no tensor \"{}\"", path().string(), name);
    return found->second;
}

Shape ForeignTrace::shape(const std::string& name) const { return find(name).arrangement.shape; }

RecordedTensor ForeignTrace::tensor(const std::string& name) const {
    const Place& place = find(name);
    const StoredArray& stored = file_->arrays()[place.array];
    return {place.arrangement.shape,
            arranged(file_->read_floats(place.array), {stored.shape, stored.fortran_order}, place.arrangement)};
}

const std::string& ForeignTrace::name_in_file(const std::string& name) const {
    return file_->arrays()[find(name).array].name;
}

}  // namespace gemma
