#include "gemma/trace/recorder.hpp"

#include "gemma/checkpoint/output_file.hpp"
#include "gemma/error.hpp"
#include "gemma/trace/names.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace gemma {

// The waiting numbers on disk. The file has no name from the start, so nothing is left of it however the run ends.
class Recorder::NumbersFile {
public:
    explicit NumbersFile(std::filesystem::path beside) : beside_(std::move(beside)) {
        const std::string name = unfinished_name(beside_).string();
        descriptor_ = ::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (descriptor_ < 0) fail("{}: cannot be written ({})", beside_.string(), std::strerror(errno));
        ::unlink(name.c_str());
    }

    ~NumbersFile() { ::close(descriptor_); }
    NumbersFile(const NumbersFile&) = delete;
    NumbersFile& operator=(const NumbersFile&) = delete;

    std::size_t size() const { return size_; }

    void append(const float* numbers, std::size_t count) {
        const char* bytes = reinterpret_cast<const char*>(numbers);
        for (std::size_t left = count * sizeof(float); left > 0;) {
            const ssize_t written = ::pwrite(descriptor_, bytes, left, static_cast<off_t>(size_));
            if (written < 0 && errno == EINTR) continue;
            if (written <= 0) fail("{}: cannot be written ({})", beside_.string(), std::strerror(errno));
            bytes += written;
            size_ += static_cast<std::size_t>(written);
            left -= static_cast<std::size_t>(written);
        }
    }

    void read(std::size_t place, std::size_t count, float* target) const {
        char* bytes = reinterpret_cast<char*>(target);
        for (std::size_t left = count * sizeof(float); left > 0;) {
            const ssize_t found = ::pread(descriptor_, bytes, left, static_cast<off_t>(place));
            if (found < 0 && errno == EINTR) continue;
            if (found <= 0) fail("{}: its recorded numbers cannot be read back", beside_.string());
            bytes += found;
            place += static_cast<std::size_t>(found);
            left -= static_cast<std::size_t>(found);
        }
    }

private:
    std::filesystem::path beside_;
    int descriptor_;
    std::size_t size_ = 0;
};

namespace {

// Whether a call's tensor can follow that of the call before it: all axes but the tokens' are the same, and of scores
// and probs [H, T, S] the last one may have grown.
bool follows(const Shape& before, const Shape& now, std::size_t axis) {
    if (before.size() != now.size()) return false;
    for (std::size_t i = 0; i < now.size(); ++i) {
        const bool grows = axis == 1 && i == 2;
        if (i != axis && now[i] != before[i] && !(grows && now[i] > before[i])) return false;
    }
    return true;
}

// The numbers in one row of one head, or in one row where there are no heads before the token axis.
std::size_t row_size(const Shape& shape, std::size_t axis) {
    return element_count(Shape(shape.begin() + static_cast<std::ptrdiff_t>(axis) + 1, shape.end()));
}

std::size_t heads(const Shape& shape, std::size_t axis) { return axis == 1 ? shape[0] : 1; }

}  // namespace

Recorder::Recorder(RecorderOptions options) : options_(std::move(options)) {
    if (!options_.stream_beside.empty()) file_ = std::make_unique<NumbersFile>(options_.stream_beside);
}

Recorder::~Recorder() = default;

bool Recorder::wanted(const std::string& name) const {
    return options_.names.empty() || std::any_of(options_.names.begin(), options_.names.end(),
                                                 [&](const std::string& pattern) { return matches(name, pattern); });
}

void Recorder::observe(const std::string& name, const TensorView& tensor) {
    if (tensor.shape.empty()) fail("{}: found a single number, expected a tensor with a token axis", name);
    const std::size_t axis = token_axis(name, tensor.shape), T = tensor.shape[axis];

    // Each forward call begins with the same name. All tensors of a call end at its last token (the logits may have
    // that row only), so that is where their positions count from.
    if (first_name_.empty()) first_name_ = name;
    if (name == first_name_) run_end_ += T;
    run_end_ = std::max(run_end_, T);
    const std::size_t position = run_end_ - T;
    if (!wanted(name)) return;

    Pieces& pieces = records_.try_emplace(name, Pieces{axis, 0, tensor.shape, {}}).first->second;
    if (!follows(pieces.last_shape, tensor.shape, axis)) {
        fail("{}: found shape {} after {}, expected rows that can follow", name, to_string(tensor.shape),
             to_string(pieces.last_shape));
    }
    pieces.last_shape = tensor.shape;
    const std::size_t first = std::clamp(options_.range.begin, position, run_end_) - position;
    const std::size_t last = std::clamp(options_.range.end, position, run_end_) - position;
    if (first < last) keep(pieces, tensor, first, last);
}

// Copies rows first … last - 1 of each head.
void Recorder::keep(Pieces& pieces, const TensorView& tensor, std::size_t first, std::size_t last) {
    const std::size_t axis = pieces.axis, T = tensor.shape[axis], size = row_size(tensor.shape, axis);
    Piece piece{tensor.shape, {}, file_ ? file_->size() : 0};
    piece.shape[axis] = last - first;
    if (!file_) piece.numbers.reserve(element_count(piece.shape));
    for (std::size_t h = 0; h < heads(tensor.shape, axis); ++h) {
        const float* begin = tensor.data + (h * T + first) * size;
        const float* end = tensor.data + (h * T + last) * size;
        if (file_) {
            file_->append(begin, static_cast<std::size_t>(end - begin));
        } else {
            piece.numbers.insert(piece.numbers.end(), begin, end);
        }
    }
    pieces.rows += last - first;
    pieces.list.push_back(std::move(piece));
}

void Recorder::read(const Piece& piece, std::size_t first, std::size_t count, float* target) const {
    if (file_) {
        file_->read(piece.place + first * sizeof(float), count, target);
    } else {
        std::copy_n(piece.numbers.data() + first, count, target);
    }
}

std::vector<std::string> Recorder::names() const {
    std::vector<std::string> names;
    for (const auto& [name, pieces] : records_) {
        if (pieces.rows > 0) names.push_back(name);
    }
    sort_in_forward_order(names);
    return names;
}

const Recorder::Pieces& Recorder::find(const std::string& name) const {
    const auto found = records_.find(name);
    if (found == records_.end() || found->second.rows == 0) fail("{}: no tensor of this name was recorded", name);
    return found->second;
}

Shape Recorder::shape(const Pieces& pieces) const {
    Shape shape = pieces.last_shape;
    shape[pieces.axis] = pieces.rows;
    return shape;
}

Shape Recorder::shape(const std::string& name) const { return shape(find(name)); }

RecordedTensor Recorder::tensor(const std::string& name) const {
    const Pieces& pieces = find(name);
    const std::size_t axis = pieces.axis;
    RecordedTensor tensor{shape(pieces), {}};
    tensor.numbers.assign(element_count(tensor.shape), 0.0f);
    const std::size_t H = heads(tensor.shape, axis), size = row_size(tensor.shape, axis);
    std::size_t first = 0;  // row
    for (const Piece& piece : pieces.list) {
        const std::size_t rows = piece.shape[axis], piece_size = row_size(piece.shape, axis);
        for (std::size_t h = 0; h < H; ++h) {
            float* target = tensor.numbers.data() + (h * pieces.rows + first) * size;
            if (piece_size == size) {
                read(piece, h * rows * size, rows * size, target);
                continue;
            }
            for (std::size_t t = 0; t < rows; ++t) {  // of fewer tokens than there were in the end
                read(piece, (h * rows + t) * piece_size, piece_size, target + t * size);
            }
        }
        first += rows;
    }
    return tensor;
}

}  // namespace gemma
