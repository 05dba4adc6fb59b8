// The .npy format: one array of numpy.
//
//   6 bytes   \x93 N U M P Y
//   2 bytes   version: 1.0, 2.0 or 3.0
//   2 or 4    N, the header's length, little endian: 2 bytes in version 1, 4 in the others
//   N bytes   {'descr': '<f4', 'fortran_order': False, 'shape': (5, 2048), }
//   the rest  the numbers
//
// Source: numpy's documentation of numpy.lib.format
#pragma once

#include "gemma/tensor.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace gemma {

/// The number formats that are read. Others (bool, texts, objects, big-endian numbers) are told apart by their descr.
enum class NpyType { float16, bfloat16, float32, float64, int32, int64, uint32, uint64, other };

/// What the header says.
struct NpyHeader {
    std::string descr;  // "<f4"
    NpyType type;
    bool fortran_order;  // the first axis is contiguous, not the last
    Shape shape;
    std::size_t bytes;       // of the header, with all before the numbers
    std::size_t data_bytes;  // of the numbers; 0 where the type is another
};

/// How many bytes of a file the header can take: a longer one is an Error.
constexpr std::size_t longest_npy_header = 65536;

/// Reads the header of an array whose file has `file_bytes` bytes and begins with `start`: all of it, or as many bytes
/// as a header can take. numpy writes bfloat16 (of ml_dtypes) as '<V2' or '|V2', and whoever has no such type may write
/// the bits as uint16 ('<u2'): both are read as bfloat16. Throws an Error that begins with `source` for what is no such
/// header, and when the numbers are not as many as the shape says.
NpyHeader read_npy_header(const std::vector<std::byte>& start, std::size_t file_bytes, const std::string& source);

/// Whether the numbers are floating point and can be read as float32.
bool is_float(NpyType type);

/// Converts `count` numbers to float32, in the order in which they lie. Throws an Error for integers.
std::vector<float> npy_floats(const std::byte* data, NpyType type, std::size_t count);

/// Converts integers to 64 bits. Throws an Error for floating point.
std::vector<std::int64_t> npy_integers(const std::byte* data, NpyType type, std::size_t count);

}  // namespace gemma
