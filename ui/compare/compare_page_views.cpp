// SPDX-License-Identifier: GPL-3.0-or-later
// The other half of the Compare page: its three views, one answer looked at closely, a person's own
// samples, what is kept and what is exported.
#include <QButtonGroup>
#include <QComboBox>
#include <QDragEnterEvent>
#include <QDropEvent>
#include <QFileDialog>
#include <QKeyEvent>
#include <QLineEdit>
#include <QMimeData>
#include <QSignalBlocker>
#include <QSpinBox>
#include <QStackedWidget>
#include <QToolButton>
#include <utility>

#include "ui/background.h"
#include "ui/compare/answer_inspector.h"
#include "ui/compare/answer_table.h"
#include "ui/compare/blind_view.h"
#include "ui/compare/compare_grid.h"
#include "ui/compare/compare_page.h"
#include "ui/compare/document_words.h"
#include "ui/compare/kept_menu.h"
#include "ui/compare/live_comparison.h"
#include "ui/compare/own_sample.h"
#include "ui/format.h"
#include "ui/sample_source.h"
#include "ui/widgets/banner.h"

namespace luthier {

void ComparePage::connect_kept() {
  connect(kept_, &KeptMenu::failed, banner_, &Banner::show_error);
  connect(kept_, &KeptMenu::kept, this, [this](const QString& file) {
    banner_->show_text(Banner::Kind::Info, tr("The comparison was kept in %1.").arg(file));
  });
  connect(kept_, &KeptMenu::opened, this, [this](const QString& file, const QStringList& missing) {
    own_samples_.clear();
    show_options();
    if (missing.isEmpty())
      banner_->show_text(Banner::Kind::Info,
                         tr("The comparison is as it was kept in %1.").arg(file));
    else
      banner_->show_text(Banner::Kind::Warning,
                         tr("Columns of the comparison are not there any more: %1.")
                             .arg(missing.join(QStringLiteral(", "))));
    refresh();
  });
}

void ComparePage::connect_views() {
  setAcceptDrops(true);
  connect(view_buttons_, &QButtonGroup::idClicked, this,
          [this](int view) { show_view(static_cast<View>(view)); });
  connect(blind_, &BlindView::left, this, [this] { show_view(View::Grid); });
  connect(table_, &AnswerTable::opened, this, [this](std::size_t row) {
    show_view(View::Grid);
    grid_->show_page(row / CompareGrid::kPerPage);
    refresh();
  });
  connect(grid_, &CompareGrid::score_asked, this,
          [this](std::size_t row, const std::string& of, int token) {
            inspector_->show();
            inspector_->look_at(
                row, of, token < 0 ? std::nullopt : std::optional(static_cast<std::size_t>(token)));
          });
  connect(inspector_, &AnswerInspector::closed, inspector_, &QWidget::hide);
  connect(own_toggle_, &QToolButton::toggled, this, [this](bool on) {
    own_->setVisible(on);
    if (on) own_->findChild<QLineEdit*>(QStringLiteral("ownQuestion"))->setFocus();
  });
  connect(own_, &OwnSample::wanted, this, [this] { own_toggle_->setChecked(true); });
  connect(own_, &OwnSample::failed, banner_, &Banner::show_error);
  connect(own_, &OwnSample::added, this, &ComparePage::add_own);
  connect(pattern_, &QLineEdit::editingFinished, this, [this] {
    const std::string pattern = pattern_->text().toStdString();
    if (pattern == comparison_->data().pattern) return;
    if (const Status set = comparison_->set_pattern(pattern); !set)
      banner_->show_error(set.error());
    else
      banner_->dismiss();
  });
}

void ComparePage::show_view(View view) {
  QWidget* const views[] = {grid_, table_, blind_};
  views_->setCurrentWidget(views[static_cast<int>(view)]);
  view_buttons_->button(static_cast<int>(view))->setChecked(true);
  if (view != View::Grid) inspector_->hide();
  if (view == View::Blind) blind_->begin();
  refresh();
}

/// The file's, then the person's own, which go where another file is opened.
void ComparePage::take_samples() {
  const QString& file = workspace().samples().file();
  if (file != std::exchange(samples_file_, file)) own_samples_.clear();
  std::vector<Sample> samples = workspace().samples().samples();
  samples.insert(samples.end(), own_samples_.begin(), own_samples_.end());
  comparison_->set_samples(std::move(samples));
}

void ComparePage::add_own(const Sample& sample) {
  // What stands may be a kept comparison's, of no file.
  std::vector<Sample> samples;
  for (const ComparisonRow& row : comparison_->data().rows) samples.push_back(row.sample);
  own_samples_.push_back(sample);
  samples.push_back(sample);
  const std::size_t last = samples.size() - 1;
  comparison_->set_samples(std::move(samples));
  show_view(View::Grid);
  grid_->show_page(last / CompareGrid::kPerPage);
  refresh();
  const QString why_not = why_not_run();
  if (why_not.isEmpty() && !comparison_->running())
    comparison_->run();
  else if (!why_not.isEmpty())
    banner_->show_text(Banner::Kind::Info, why_not);
}

void ComparePage::show_options() {
  const GenerationOptions& options = comparison_->data().options;
  const QSignalBlocker quiet_seed(seed_), quiet_most(most_), quiet_sampling(sampling_);
  seed_->setValue(static_cast<int>(std::min<std::uint64_t>(options.seed, 1'000'000)));
  most_->setValue(static_cast<int>(options.max_new_tokens));
  if (sampling_->findData(options.temperature) < 0)
    sampling_->addItem(QStringLiteral("T %1").arg(options.temperature), options.temperature);
  sampling_->setCurrentIndex(sampling_->findData(options.temperature));
  pattern_->setText(QString::fromStdString(comparison_->data().pattern));
  workspace().samples().set_options(options);
}

void ComparePage::dragEnterEvent(QDragEnterEvent* event) {
  if (workspace().model() && OwnSample::takes(event->mimeData())) event->acceptProposedAction();
}

void ComparePage::dropEvent(QDropEvent* event) {
  if (!OwnSample::takes(event->mimeData())) return;
  own_->take(event->mimeData());
  event->acceptProposedAction();
}

void ComparePage::keyPressEvent(QKeyEvent* event) {
  if (event->matches(QKeySequence::Paste) && workspace().model() && own_->paste()) return;
  Page::keyPressEvent(event);
}

void ComparePage::export_as(Document document) {
  const QString ending = document == Document::Html  ? QStringLiteral("html")
                         : document == Document::Csv ? QStringLiteral("csv")
                                                     : QStringLiteral("json");
  const QString file = QFileDialog::getSaveFileName(
      this, tr("Export the comparison"), QStringLiteral("comparison.") + ending,
      QStringLiteral("%1 (*.%2)").arg(ending.toUpper(), ending));
  if (file.isEmpty()) return;
  // Pictures are read and packed: not in the window's thread.
  export_->setEnabled(false);
  in_background_of(
      this,
      [file, document, data = comparison_->data(), words = document_words()] {
        if (document == Document::Html) return write_comparison_html(data, to_path(file), words);
        return document == Document::Csv ? write_comparison_csv(data, to_path(file))
                                         : write_comparison_json(data, to_path(file));
      },
      [this, file](const Status& written) {
        refresh();
        const QString done = tr("The comparison was written to %1.").arg(file);
        if (!written)
          banner_->show_error(written.error());
        else
          banner_->show_text(Banner::Kind::Info, done);
      });
}

}  // namespace luthier
