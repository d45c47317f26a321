// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/sample_source.h"

#include "ui/background.h"
#include "ui/format.h"

namespace luthier {

void SampleSource::read(const QString& file, std::size_t count,
                        const std::filesystem::path& image_folder) {
  file_ = file;
  asked_ = count;
  emit reading();
  const int ticket = ++ticket_;
  in_background_of(
      this,
      [file, count, image_folder, columns = columns_] {
        return read_first_samples(to_path(file), count, image_folder, columns);
      },
      [this, ticket](auto read) {
        if (ticket_ != ticket) return;
        if (!read) {
          emit failed(read.error());
          return;
        }
        if (!read->unreadable.empty()) emit passed_over(read->unreadable);
        samples_ = std::move(read->samples);
        emit changed();
      });
}

void SampleSource::set_options(const GenerationOptions& options) {
  options_ = options;
  emit options_changed();
}

}  // namespace luthier
