// Named arrays from a file of another program: .safetensors, .npz, or a directory of .npy files.
#pragma once

#include "gemma/tensor.hpp"
#include "gemma/trace/record.hpp"
#include "gemma/trace/trace_file.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace gemma {

/// An array as the file has it.
struct StoredArray {
    std::string name;
    Shape shape;
    std::string type;    // as the format calls it
    bool floats;         // numbers that can be read as float32
    bool integers;       // whole numbers
    bool fortran_order;  // the first axis is contiguous, not the last
};

class TensorFile {
public:
    virtual ~TensorFile() = default;

    const std::filesystem::path& path() const { return path_; }
    const std::vector<StoredArray>& arrays() const { return arrays_; }

    /// What the file says of the run; only .safetensors files do.
    const TraceHeader& header() const { return header_; }
    TokenRange range() const { return range_; }

    /// Whether it says that it is a trace file of ours, whose shapes are known to be those of gemma/trace/names.hpp.
    bool is_trace() const { return is_trace_; }

    /// The numbers of an array, in the order in which they lie.
    virtual std::vector<float> read_floats(std::size_t array) const = 0;
    virtual std::vector<std::int64_t> read_integers(std::size_t array) const = 0;

protected:
    explicit TensorFile(std::filesystem::path path) : path_(std::move(path)) {
        header_.precision = "";  // not told
        header_.producer = "";
    }

    std::filesystem::path path_;
    std::vector<StoredArray> arrays_;
    TraceHeader header_;
    TokenRange range_;
    bool is_trace_ = false;
};

/// Opens the file or directory. Arrays of the same name, which a .zip file can have, get "#2", "#3" … behind it. Throws
/// an Error that names the file, and the array in it, for what is none of the formats.
std::unique_ptr<TensorFile> open_tensor_file(const std::filesystem::path& path);

}  // namespace gemma
