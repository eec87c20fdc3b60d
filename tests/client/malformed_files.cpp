#include "tests/client/malformed_files.h"

#include <cstring>
#include <stdexcept>

#include "tests/support/arrays.h"

namespace ncscope::testing {
namespace {

std::string zip_of(const std::vector<ZipEntry>& entries, bool deflate = false) {
  const TemporaryFolder folder;
  write_zip(folder / "x.npz", entries, deflate);
  return read_file(folder / "x.npz");
}

std::string zip_of_features(const std::string& features) {
  return zip_of({{"features.npy", features}, {"labels.npy", good_labels()}});
}

std::string replace_all(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

// Overwrites a field of the central directory's record of member 0.
template <class T>
std::string patch_directory(std::string zip, size_t offset, T value) {
  const size_t record = zip.find("PK\x01\x02");
  if (record == std::string::npos) throw std::logic_error("no zip directory");
  std::memcpy(zip.data() + record + offset, &value, sizeof value);
  return zip;
}

// The same in its local header too, where the field lies 2 bytes earlier.
template <class T>
std::string patch_member(std::string zip, size_t offset, T value) {
  std::memcpy(zip.data() + offset - 2, &value, sizeof value);
  return patch_directory(std::move(zip), offset, value);
}

constexpr size_t kFlags = 8;
constexpr size_t kMethod = 10;
constexpr size_t kUnpackedBytes = 24;

std::string dictionary(const std::string& descr, const std::string& order,
                       const std::string& shape) {
  return "{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }";
}

// Data for any of the headers below.
const std::string kData(32, '\0');

std::string with_dictionary(const std::string& text) { return npy_from_header(text, kData); }

std::string shape_of_33_axes() {
  std::string shape = "(";
  for (int i = 0; i < 33; ++i) shape += "1,";
  shape += ")";
  return shape;
}

}  // namespace

std::string good_features() { return npy_matrix(std::vector<float>{0, 1, 1, 0, 4, 5, 5, 4}, 4, 2); }

std::string good_labels() { return npy_vector(std::vector<int64_t>{0, 0, 1, 1}); }

std::vector<MalformedFile> malformed_npy_files() {
  const std::string good = good_features();
  std::string version = good;
  version[6] = 9;
  std::string long_header = good;
  long_header[6] = 2;
  long_header.replace(8, 4, std::string("\xff\xff\xff\x7f", 4));
  std::string nul_in_header = good;
  nul_in_header[20] = '\0';
  return {
      {"empty", "", "an empty one"},
      {"text", "label,feature\n0,1\n", "'label,'"},
      {"wrong_magic", "\x93NUMPX" + good.substr(6), "\\x93NUMPX"},
      {"magic_only", good.substr(0, 6), "truncated"},
      {"cut_in_length", good.substr(0, 9), "truncated"},
      {"cut_in_header", good.substr(0, 40), "truncated"},
      {"cut_in_data", good.substr(0, good.size() - 3), "needs 32 bytes, got 29"},
      {"bytes_after", good + "abc", "needs 32 bytes, got 35"},
      {"version_9", version, "got 9.0"},
      {"header_too_long", long_header, "65536"},
      {"nul_in_header", nul_in_header, "bad .npy header"},
      {"object", with_dictionary(dictionary("'|O'", "False", "(4, 2)")), "object"},
      {"complex", with_dictionary(dictionary("'<c8'", "False", "(4, 1)")), "complex"},
      {"string", with_dictionary(dictionary("'<U2'", "False", "(4, 1)")), "string"},
      {"bytes", with_dictionary(dictionary("'|S8'", "False", "(4, 1)")), "string"},
      {"void", with_dictionary(dictionary("'<V2'", "False", "(4, 4)")), "void"},
      {"datetime", with_dictionary(dictionary("'<M8[ns]'", "False", "(4, 1)")), "date"},
      {"long_double", with_dictionary(dictionary("'<f16'", "False", "(2, 1)")), "extended"},
      {"structured", with_dictionary(dictionary("[('a', '<f4')]", "False", "(4, 2)")),
       "structured"},
      {"no_such_size", with_dictionary(dictionary("'<f3'", "False", "(4, 2)")), "no such size"},
      {"unknown_type", with_dictionary(dictionary("'<q4'", "False", "(4, 2)")), "unknown"},
      {"integers", with_dictionary(dictionary("'<i4'", "False", "(4, 2)")), "got int32"},
      {"huge_shape", with_dictionary(dictionary("'<f4'", "False", "(1000000000000, 512)")),
       "needs 2048000000000000 bytes, got 32"},
      {"overflowing_shape",
       with_dictionary(dictionary("'<f4'", "False", "(4611686018427387904, 4)")), "2^63"},
      {"overflowing_integer",
       with_dictionary(dictionary("'<f4'", "False", "(99999999999999999999, 2)")), "2^63"},
      {"overflowing_to_zero",
       with_dictionary(dictionary("'<f4'", "False", "(4294967296, 4294967296)")), "2^63"},
      {"negative_shape", with_dictionary(dictionary("'<f4'", "False", "(-4, 2)")), "non-negative"},
      {"float_shape", with_dictionary(dictionary("'<f4'", "False", "(4.0, 2)")), "got '.0"},
      {"nan_shape", with_dictionary(dictionary("'<f4'", "False", "(nan, 2)")), "got 'nan"},
      {"number_for_shape", with_dictionary(dictionary("'<f4'", "False", "(8)")), "','"},
      {"33_axes", with_dictionary(dictionary("'<f4'", "False", shape_of_33_axes())),
       "32 dimensions"},
      {"one_axis", with_dictionary(dictionary("'<f4'", "False", "(8,)")), "[N, d]"},
      {"three_axes", with_dictionary(dictionary("'<f4'", "False", "(2, 2, 2)")), "[2, 2, 2]"},
      {"no_columns", npy("<f4", {4, 0}, ""), "d >= 1"},
      {"no_rows", npy("<f4", {0, 2}, ""), ""},
      {"expression", with_dictionary(dictionary("'<f4'", "False", "(2+2, 2)")), "bad .npy header"},
      {"call", with_dictionary("{'descr': __import__('os').system('true')}"), "quoted string"},
      {"escape", with_dictionary(dictionary("'<f\\x34'", "False", "(4, 2)")), "quoted string"},
      {"order_as_number", with_dictionary(dictionary("'<f4'", "0", "(4, 2)")), "True or False"},
      {"no_shape", with_dictionary("{'descr': '<f4', 'fortran_order': False, }"), "'shape'"},
      {"key_twice", with_dictionary("{'descr': '<f4', 'descr': '<f4', }"), "twice"},
      {"unknown_key", with_dictionary("{'descr': '<f4', 'strides': (1, 2), }"), "'strides'"},
      {"not_a_dictionary", with_dictionary("['<f4', False, (4, 2)]"), "'{'"},
      {"text_after_dictionary", with_dictionary(dictionary("'<f4'", "False", "(4, 2)") + " x"),
       "end of the header"},
  };
}

std::vector<MalformedFile> malformed_npz_files() {
  const ZipEntry features{"features.npy", good_features()};
  const ZipEntry labels{"labels.npy", good_labels()};
  const std::string good = zip_of({features, labels});
  const std::string deflated = zip_of({features, labels}, true);
  std::string wrong_checksum = good;
  wrong_checksum[good.find("features.npy") + 12 + features.bytes.size() - 1] ^= 1;
  std::string damaged_data = deflated;
  damaged_data[deflated.find("features.npy") + 12] ^= 0x7f;
  std::vector<MalformedFile> files = {
      {"empty", "", "an empty one"},
      {"no_members", std::string("PK\x05\x06", 4) + std::string(18, '\0'), "without arrays"},
      {"cut_in_half", good.substr(0, good.size() / 2), "truncated"},
      {"cut_at_end", good.substr(0, good.size() - 1), "truncated"},
      {"pickle", std::string("\x80\x04\x95", 3) + "numpy", "\\x80\\x04\\x95"},
      {"wrong_checksum", wrong_checksum, "CRC"},
      {"damaged_data", damaged_data, "features.npy"},
      {"encrypted", patch_member(good, kFlags, uint16_t{1}), "encrypted"},
      {"other_method", patch_member(good, kMethod, uint16_t{12}), "zip method 12"},
      {"member_twice",
       replace_all(zip_of({{"features.npy", features.bytes}, {"featurez.npy", features.bytes}}),
                   "featurez", "features"),
       "twice"},
      {"parent_path", zip_of({features, labels, {"../../evil.npy", ""}}), "a path"},
      {"absolute_path", zip_of({features, labels, {"/etc/evil.npy", ""}}), "a path"},
      {"control_character", zip_of({features, labels, {"a\nb.npy", ""}}), "'a\\x0ab.npy'"},
      {"stored_size_lie", patch_directory(good, kUnpackedBytes, uint32_t{1 << 20}), "stored in"},
      {"inflates_to_more", patch_directory(deflated, kUnpackedBytes, uint32_t{100}), "features"},
      {"inflates_to_less",
       patch_directory(zip_of({{"features.npy", npy("<f4", {4, 2}, "abc")}, labels}, true),
                       kUnpackedBytes, static_cast<uint32_t>(features.bytes.size())),
       "features"},
      {"bomb", patch_directory(deflated, kUnpackedBytes, uint32_t{3u << 30}), "zip bomb"},
      {"no_features", zip_of({labels, {"feats.npy", features.bytes}}),
       "expected an array 'features', got 'labels', 'feats'"},
      {"no_labels", zip_of({features}), "expected an array 'labels', got 'features'"},
      {"float_labels",
       zip_of({features, {"labels.npy", npy_vector(std::vector<float>{0, 0, 1, 1})}}),
       "integer labels, got float32"},
      {"one_hot_labels",
       zip_of({features, {"labels.npy", npy("<i4", {4, 2}, std::string(32, '\0'))}}), "[4, 2]"},
      {"too_few_labels", zip_of({features, {"labels.npy", npy_vector(std::vector<int64_t>{0, 1})}}),
       "expected 4 rows, as the features have, got 2"},
      {"huge_unsigned_label",
       zip_of({features, {"labels.npy", npy("<u8", {4}, std::string(32, '\xff'))}}),
       "18446744073709551615"},
      {"negative_label",
       zip_of({features, {"labels.npy", npy_vector(std::vector<int64_t>{0, 1, -7, 1})}}),
       "row 2: expected a label in [0, 2147483648), got -7"},
      {"stray_label",
       zip_of({features, {"labels.npy", npy_vector(std::vector<int64_t>{0, 1, 99999999, 1})}}),
       "99999999"},
      {"weight_of_other_dim",
       zip_of({features, labels, {"weight.npy", npy_matrix(std::vector<float>(6), 2, 3)}}),
       "expected a weight of shape [K, 2], got [2, 3]"},
      {"weight_with_nan",
       zip_of({features,
               labels,
               {"weight.npy", npy_matrix(std::vector<float>{1, 2, 3, __builtin_nanf("")}, 2, 2)}}),
       "weight.npy"},
      {"bias_of_other_length",
       zip_of({features,
               labels,
               {"weight.npy", npy_matrix(std::vector<float>(4), 2, 2)},
               {"bias.npy", npy_vector(std::vector<float>(3))}}),
       "expected a bias of shape [2], got [3]"},
      {"bias_alone", zip_of({features, labels, {"bias.npy", npy_vector(std::vector<float>(2))}}),
       "a weight beside the bias"},
      {"too_few_predictions",
       zip_of({features, labels, {"predictions.npy", npy_vector(std::vector<int64_t>{0})}}),
       "expected 4 rows, as the features have, got 1"},
  };
  for (const MalformedFile& npy_file : malformed_npy_files()) {
    // Of a .npz, the container's own refusals of an unknown format do not apply.
    const bool by_format =
        npy_file.name == "empty" || npy_file.name == "text" || npy_file.name == "wrong_magic";
    files.push_back({"member_" + npy_file.name, zip_of_features(npy_file.bytes),
                     by_format ? "features.npy" : npy_file.expected});
  }
  return files;
}

}  // namespace ncscope::testing
