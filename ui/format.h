// SPDX-License-Identifier: GPL-3.0-or-later
// Numbers as the window writes them: bytes in KiB, MiB and GiB, counts in K, M and G, times as
// hh:mm:ss.
#pragma once

#include <QString>
#include <cstdint>
#include <filesystem>
#include <vector>

namespace luthier {

QString bytes_text(std::int64_t bytes);    ///< "212 MiB", "12.6 GiB"
QString decimal_text(std::int64_t bytes);  ///< in powers of ten, as papers count: "14.0 GB"
QString count_text(std::int64_t count);    ///< "3.1 M"; below 10,000 exact
QString grouped_text(std::int64_t count);  ///< "412,160"
QString duration_text(double seconds);     ///< "00:41", "1:02:03"
QString number_text(
    double value, int digits = 4);  ///< shortest with so many significant digits: "0.0002", "2e-06"
QString percent_text(double part, double whole);             ///< "13.1 %"
QString shape_text(const std::vector<std::int64_t>& shape);  ///< "512 × 512"

/// What a model folder is called: a hub snapshot by its model, "teaching/base" as "teaching-base",
/// else the folder's name.
QString model_name(const std::filesystem::path& folder);

/// A path as it is shown where nobody edits it: "~/runs/first" for what lies in the home folder.
QString shown_path(const QString& path);
inline QString path_text(const std::filesystem::path& path) {
  return QString::fromStdString(path.string());
}
inline std::filesystem::path to_path(const QString& text) {
  return std::filesystem::path(text.toStdString());
}

}  // namespace luthier
