// SPDX-License-Identifier: GPL-3.0-or-later
// A tar archive's members: headers of ustar, GNU and pax, each checked before it is believed.
// Nothing is ever unpacked; names are texts here and no paths. Internal to the data room.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "engine/data/dataset_index.h"

namespace luthier::detail {

struct TarMember {
  std::string name;
  std::uint64_t header = 0;          ///< where its first header stands
  std::uint64_t begin = 0, end = 0;  ///< its bytes
  std::uint64_t next = 0;            ///< where the next header stands
};

/// The next ordinary file at or after `at`; its name is empty where the archive ends. Folders,
/// links and devices are passed over. An error for what is no tar archive, a header that lies, and
/// a name that leads out of the archive.
Result<TarMember> next_member(std::string_view archive, std::uint64_t at, const std::string& where);

/// WebDataset's parts of a name: "train/0001.seg.png" is of the sample "train/0001", as "seg.png".
struct SampleName {
  std::string_view key, ending;
};
SampleName sample_name(std::string_view name);

/// The samples of an archive: members one after another with the same key. `row` is where its first
/// header stands, `end` where its last member ends.
struct TarSample {
  std::uint64_t begin = 0, end = 0;
};
Result<std::vector<TarSample>> index_tar(std::string_view archive, const std::string& where,
                                         const Passed& passed = {});

}  // namespace luthier::detail
