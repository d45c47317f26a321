// SPDX-License-Identifier: GPL-3.0-or-later
// A copy of the rows as a file of their own: without what was dropped, with what was put right,
// only those that are shown, so many at random, in another form, and parted for validation. The
// original stays as it is.
#pragma once

#include <QDialog>

#include "engine/data/tools/dataset_copy.h"
#include "ui/data/data_jobs.h"

class QCheckBox;
class QComboBox;
class QDoubleSpinBox;
class QFormLayout;
class QLabel;
class QLineEdit;
class QPushButton;
class QSpinBox;

namespace luthier {

class Banner;

/// What the page has decided and shows.
struct CopySource {
  RowEdits edits;
  std::vector<std::size_t> unusable;              ///< rows that a check found to be so
  std::optional<std::vector<std::size_t>> shown;  ///< those that a search or a filter left
  std::vector<std::string> columns;               ///< by which rows may be parted alike
  std::filesystem::path file;                     ///< of the original, which proposes a name
};

class CopyDialog : public QDialog {
  Q_OBJECT

 public:
  CopyDialog(DataJobs& jobs, QWidget* parent = nullptr);
  /// `share`: of validation, in percent, that is proposed.
  void show_copy(const CopySource& source, double share);

 signals:
  /// Written; `validation` is empty where there is none. `use`: the person wants to go on with
  /// them.
  void written(const QString& file, const QString& validation, bool use);

 private:
  void retranslate();
  void enable();
  void write();

  DataJobs& jobs_;
  CopySource source_;
  bool writing_ = false;
  QLabel *note_, *count_;
  QFormLayout* form_;
  QLineEdit *file_, *validation_;
  QCheckBox *unusable_, *shown_, *use_;
  QSpinBox *sample_, *seed_, *variants_;
  QDoubleSpinBox* share_;
  QComboBox *by_, *as_;
  QPushButton *write_, *close_;
  Banner* banner_;
};

}  // namespace luthier
