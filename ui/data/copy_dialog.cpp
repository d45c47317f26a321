// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/copy_dialog.h"

#include <QCheckBox>
#include <QComboBox>
#include <QDoubleSpinBox>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSpinBox>
#include <QVBoxLayout>
#include <algorithm>
#include <utility>

#include "engine/data/row_writing.h"
#include "engine/data/tools/row_search.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/widgets/banner.h"
#include "ui/widgets/card.h"

namespace luthier {

namespace {

struct CopyWish {
  CopySource source;
  bool drop_unusable = false, only_shown = false;
  std::size_t sample = 0;
  int variants = 0;
  std::uint64_t seed = 42;
  double share = 0;
  std::string by;
  CopyForm form = CopyForm::AsWritten;
  std::filesystem::path file, validation;
};

struct CopiedRows {
  std::size_t train = 0, validation = 0, unreadable = 0;
};

/// The two halves of the rows in one progress.
RowProgress half_of(const RowProgress& progress, bool second) {
  return [progress, second](std::size_t done, std::size_t total) {
    return progress((second ? total : 0) + done, 2 * total);
  };
}

Result<CopiedRows> copy_as_wished(const Dataset& dataset, const CopyWish& wish,
                                  const RowProgress& progress) {
  RowEdits edits = wish.source.edits;
  if (wish.drop_unusable)
    for (const std::size_t row : wish.source.unusable)
      if (!edits.replaced.contains(row)) edits.dropped.insert(row);
  RowList rows = kept_rows(dataset, edits);
  if (wish.only_shown && wish.source.shown) {
    RowList shown = *wish.source.shown, both;
    std::sort(shown.begin(), shown.end());
    std::set_intersection(rows.begin(), rows.end(), shown.begin(), shown.end(),
                          std::back_inserter(both));
    rows = std::move(both);
  }
  if (wish.sample > 0) rows = sampled_rows(rows, wish.sample, wish.seed);
  CopyRequest request;
  request.edits = edits;
  request.form = wish.form;
  request.variants.seed = wish.seed;
  CopiedRows copied;
  if (wish.share <= 0) {
    request.rows = std::move(rows);
    request.variants.copies = wish.variants;
    LUTHIER_TRY(const CopyReport report,
                copy_rows(dataset, request, wish.file, any_rows(), progress));
    copied.train = report.written;
    copied.unreadable = report.left_out;
    return copied;
  }
  LUTHIER_CHECK(check_new_file(wish.validation));
  std::vector<std::string> strata;
  if (!wish.by.empty()) {
    LUTHIER_TRY(const std::vector<std::string> values,
                column_values(dataset, wish.by, half_of(progress, false)));
    for (const std::size_t row : rows) strata.push_back(values[row]);
  }
  const RowSplit parts = split_rows(rows, wish.share, wish.seed, strata);
  if (parts.validation.empty())
    return input_error("There are too few rows to part them.", wish.file.string(),
                       "Take fewer rows out, or set the validation share to 0.");
  request.rows = parts.train;
  request.variants.copies = wish.variants;
  LUTHIER_TRY(const CopyReport train,
              copy_rows(dataset, request, wish.file, any_rows(), half_of(progress, false)));
  request.rows = parts.validation;
  request.variants.copies = 0;  // what is judged by stays as it is
  LUTHIER_TRY(const CopyReport validation,
              copy_rows(dataset, request, wish.validation, any_rows(), half_of(progress, true)));
  copied.train = train.written;
  copied.validation = validation.written;
  copied.unreadable = train.left_out + validation.left_out;
  return copied;
}

/// A name beside the original that is not there yet. Of what lies in a hub's cache the copy goes to
/// the person's own folder.
QString free_name(const std::filesystem::path& original, const QString& what) {
  std::filesystem::path folder = original.parent_path();
  if (folder.string().find("/datasets--") != std::string::npos)
    folder = std::filesystem::current_path();
  const std::string stem = original.stem().string();
  for (int number = 1;; ++number) {
    const std::string tail = number == 1 ? std::string() : "-" + std::to_string(number);
    const std::filesystem::path file = folder / (stem + "-" + what.toStdString() + tail + ".jsonl");
    std::error_code ignored;
    if (!std::filesystem::exists(file, ignored)) return path_text(file);
  }
}

}  // namespace

CopyDialog::CopyDialog(DataJobs& jobs, QWidget* parent) : QDialog(parent), jobs_(jobs) {
  setObjectName(QStringLiteral("copyDialog"));
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(24, 20, 24, 20);
  layout->setSpacing(12);
  note_ = muted_label(this);
  layout->addWidget(note_);
  banner_ = new Banner(this);
  layout->addWidget(banner_);
  form_ = new QFormLayout;
  form_->setSpacing(8);
  const auto named = [](auto* widget, const char* name) {
    widget->setObjectName(QLatin1String(name));
    return widget;
  };
  file_ = named(new QLineEdit(this), "copyFile");
  file_->setMinimumWidth(420);
  unusable_ = named(new QCheckBox(this), "copyUnusable");
  shown_ = named(new QCheckBox(this), "copyShown");
  sample_ = named(new QSpinBox(this), "copySample");
  sample_->setRange(0, 2'000'000'000);
  share_ = named(new QDoubleSpinBox(this), "copyShare");
  share_->setRange(0, 90);
  share_->setDecimals(1);
  share_->setSuffix(QStringLiteral(" %"));
  by_ = named(new QComboBox(this), "copyBy");
  validation_ = named(new QLineEdit(this), "copyValidation");
  seed_ = named(new QSpinBox(this), "copySeed");
  seed_->setRange(0, 2'000'000'000);
  seed_->setValue(42);
  as_ = named(new QComboBox(this), "copyForm");
  as_->addItems({QString(), QString(), QString()});
  variants_ = named(new QSpinBox(this), "copyVariants");
  variants_->setRange(0, 20);
  use_ = named(new QCheckBox(this), "copyUse");
  use_->setChecked(true);
  for (QWidget* field :
       std::initializer_list<QWidget*>{file_, unusable_, shown_, sample_, share_, by_, validation_,
                                       seed_, as_, variants_, use_})
    form_->addRow(QStringLiteral("-"), field);
  layout->addLayout(form_);
  count_ = text_label(this, true);
  count_->setObjectName(QStringLiteral("copyCount"));
  layout->addWidget(count_);
  layout->addStretch();
  auto* row = new QHBoxLayout;
  close_ = named(new QPushButton(this), "copyClose");
  write_ = named(new QPushButton(this), "copyWrite");
  write_->setDefault(true);
  row->addStretch();
  row->addWidget(close_);
  row->addWidget(write_);
  layout->addLayout(row);
  connect(share_, &QDoubleSpinBox::valueChanged, this, &CopyDialog::enable);
  connect(file_, &QLineEdit::textChanged, this, &CopyDialog::enable);
  connect(close_, &QPushButton::clicked, this, [this] {
    if (writing_) jobs_.cancel();
    close();
  });
  connect(write_, &QPushButton::clicked, this, &CopyDialog::write);
  connect(&jobs_, &DataJobs::told, this, [this](const QString& what, int permille) {
    if (writing_) count_->setText(QStringLiteral("%1 %2 %").arg(what).arg(permille / 10));
  });
  // Where other rows are looked at meanwhile, nobody is told what became of it.
  connect(&jobs_, &DataJobs::changed, this, [this] {
    if (!writing_ || jobs_.busy()) return;
    writing_ = false;
    enable();
  });
  on_language(this, [this] { retranslate(); });
}

void CopyDialog::retranslate() {
  setWindowTitle(tr("Write a copy of the rows"));
  note_->setText(
      tr("The original stays as it is. Pictures stay where they are; the copy leads to "
         "them."));
  const auto label = [this](QWidget* field, const QString& text, const QString& tip = {}) {
    auto* shown = qobject_cast<QLabel*>(form_->labelForField(field));
    shown->setText(text);
    QString plain = text;
    field->setAccessibleName(plain.remove(QLatin1Char('&')));
    field->setToolTip(tip);
  };
  label(file_, tr("&File"));
  label(unusable_, tr("Unusable rows"));
  unusable_->setText(tr("Leave them out"));
  label(shown_, tr("Rows"));
  shown_->setText(tr("Only those that are shown"));
  label(sample_, tr("At &most"), tr("So many rows are drawn by the seed; 0: all"));
  sample_->setSpecialValueText(tr("all rows"));
  label(share_, tr("Validation &share"), tr("5 to 20 % is usual; 0: the rows are not parted"));
  label(by_, tr("The same share of &each"),
        tr("A column: of each of its values that share goes to validation"));
  label(validation_, tr("File for &validation"));
  label(seed_, tr("Seed"), tr("Another seed draws other rows"));
  label(as_, tr("F&orm"));
  as_->setItemText(0, tr("As they are written"));
  as_->setItemText(1, tr("messages (role, content)"));
  as_->setItemText(2, tr("conversations (from, value)"));
  label(variants_, tr("Variants of pic&tures"),
        tr("So often each row with pictures comes once more, its pictures lighter or darker, of "
           "other contrast, cut at the edges; 0: not at all. Rows for validation have none."));
  variants_->setSpecialValueText(tr("none"));
  label(use_, tr("Afterwards"));
  use_->setText(tr("Go on with the copy"));
  write_->setText(tr("&Write"));
  close_->setText(tr("&Close"));
  if (by_->count() > 0) by_->setItemText(0, tr("– (whichever)"));
  enable();
}

void CopyDialog::show_copy(const CopySource& source, double share) {
  source_ = source;
  banner_->dismiss();
  file_->setText(
      free_name(source.file, share > 0 ? QStringLiteral("train") : QStringLiteral("clean")));
  validation_->setText(free_name(source.file, QStringLiteral("validation")));
  unusable_->setChecked(!source.unusable.empty());
  shown_->setChecked(source.shown.has_value());
  share_->setValue(share);
  by_->clear();
  by_->addItem(tr("– (whichever)"), QString());
  for (const std::string& column : source.columns)
    by_->addItem(QString::fromStdString(column), QString::fromStdString(column));
  count_->clear();
  enable();
  show();
  raise();
  activateWindow();
}

void CopyDialog::enable() {
  const bool parts = share_->value() > 0;
  by_->setEnabled(parts && !writing_);
  validation_->setEnabled(parts && !writing_);
  unusable_->setEnabled(!source_.unusable.empty());
  shown_->setEnabled(source_.shown.has_value());
  write_->setEnabled(!writing_ && !file_->text().trimmed().isEmpty());
  if (writing_) return;
  const auto number = [](std::size_t count) {
    return grouped_text(static_cast<std::int64_t>(count));
  };
  count_->setText(tr("%1 rows dropped by hand, %2 put right, %3 unusable.")
                      .arg(number(source_.edits.dropped.size()),
                           number(source_.edits.replaced.size()), number(source_.unusable.size())));
}

void CopyDialog::write() {
  CopyWish wish;
  wish.source = source_;
  wish.drop_unusable = unusable_->isChecked();
  wish.only_shown = shown_->isChecked() && source_.shown;
  wish.sample = static_cast<std::size_t>(sample_->value());
  wish.variants = variants_->value();
  wish.seed = static_cast<std::uint64_t>(seed_->value());
  wish.share = share_->value() / 100;
  wish.by = by_->currentData().toString().toStdString();
  wish.form = static_cast<CopyForm>(as_->currentIndex());
  wish.file = to_path(file_->text().trimmed());
  wish.validation = to_path(validation_->text().trimmed());
  banner_->dismiss();
  writing_ = true;
  enable();
  const bool use = use_->isChecked();
  const QString file = file_->text().trimmed(),
                validation = wish.share > 0 ? validation_->text().trimmed() : QString();
  jobs_.run<CopiedRows>(
      tr("Writing rows"),
      [wish = std::move(wish)](const Dataset& dataset, const RowProgress& progress) {
        return copy_as_wished(dataset, wish, progress);
      },
      [this, use, file, validation](const Result<CopiedRows>& copied) {
        writing_ = false;
        enable();
        if (!copied) return banner_->show_error(copied.error());
        emit written(file, validation, use);
        close();
      });
}

}  // namespace luthier
