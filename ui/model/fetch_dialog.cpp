// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/model/fetch_dialog.h"

#include <QEvent>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QProgressBar>
#include <QPushButton>
#include <QRegularExpression>
#include <QResizeEvent>
#include <QScreen>
#include <QTimer>
#include <QVBoxLayout>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/theme.h"
#include "ui/widgets/banner.h"
#include "ui/widgets/card.h"

namespace luthier {

QString repository_of(const QString& text) {
  static const QRegularExpression page(
      QStringLiteral("^https?://[^/]+/(?:datasets/)?([^/?#]+/[^/?#]+)"));
  const QString plain = text.trimmed();
  const auto match = page.match(plain);
  return match.hasMatch() ? match.captured(1) : plain;
}

QString FetchDialog::named(const char* tail) const {
  return QLatin1String(kind_ == HubKind::Dataset ? "fetchData" : "fetch") + QLatin1String(tail);
}

FetchDialog::FetchDialog(Workspace& workspace, QWidget* parent, HubKind kind)
    : QDialog(parent), workspace_(workspace), kind_(kind) {
  setObjectName(named("Dialog"));
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(24, 20, 24, 20);
  layout->setSpacing(12);
  title_ = text_label(this);
  title_->setFont(scaled_font(1.25, true));
  layout->addWidget(title_);
  banner_ = new Banner(this);
  banner_->installEventFilter(this);
  layout->addWidget(banner_);
  auto* form = new QFormLayout;
  form->setSpacing(8);
  id_ = new QLineEdit(this);
  id_->setObjectName(named("Repository"));
  id_->setMinimumWidth(420);
  revision_ = new QLineEdit(QStringLiteral("main"), this);
  revision_->setObjectName(named("Revision"));
  id_label_ = new QLabel(this);
  id_label_->setBuddy(id_);
  revision_label_ = new QLabel(this);
  revision_label_->setBuddy(revision_);
  form->addRow(id_label_, id_);
  form->addRow(revision_label_, revision_);
  layout->addLayout(form);
  note_ = muted_label(this, 0.85);
  note_->setObjectName(named("Note"));
  layout->addWidget(note_);
  progress_ = new QProgressBar(this);
  progress_->setObjectName(named("Progress"));
  progress_->setTextVisible(false);
  progress_->setFixedHeight(8);
  progress_->setRange(0, 1000);
  layout->addWidget(progress_);
  progress_text_ = text_label(this, true);
  progress_text_->setObjectName(named("Text"));
  layout->addWidget(progress_text_);
  auto* row = new QHBoxLayout;
  const auto button = [&](const char* name) {
    auto* made = new QPushButton(this);
    made->setObjectName(named(name));
    made->setAutoDefault(false);
    row->addWidget(made);
    return made;
  };
  close_ = button("Close");
  row->addStretch();
  cancel_ = button("Cancel");
  load_ = button("Load");
  start_ = button("Start");
  start_->setDefault(true);
  layout->addLayout(row);
  connect(start_, &QPushButton::clicked, this, &FetchDialog::start);
  connect(cancel_, &QPushButton::clicked, this, [this] { workspace_.session().cancel(request_); });
  connect(close_, &QPushButton::clicked, this, &QDialog::close);
  connect(load_, &QPushButton::clicked, this, [this] {
    emit load_asked(folder_);
    close();
  });
  connect(id_, &QLineEdit::textChanged, this, &FetchDialog::enable);
  SessionBridge& bridge = workspace_.bridge();
  connect(&bridge, &SessionBridge::state_changed, this, &FetchDialog::enable);
  connect(&bridge, &SessionBridge::fetch_progressed, this, [this](const FetchProgressed& event) {
    if (event.request == request_) show_progress(event.progress);
  });
  connect(&bridge, &SessionBridge::model_fetched, this, [this](const ModelFetched& event) {
    if (event.request != request_) return;
    folder_ = path_text(event.model.folder);
    progress_text_->setText(
        tr("Complete and checked: %n files, %1. It is in %2.", nullptr,
           static_cast<int>(event.model.files))
            .arg(bytes_text(static_cast<std::int64_t>(event.model.bytes)), folder_));
    fit();
  });
  connect(&bridge, &SessionBridge::request_done, this, &FetchDialog::end);
  on_language(this, [this] { retranslate(); });
  progress_->hide();
  progress_text_->hide();
  enable();
}

void FetchDialog::retranslate() {
  const HubSettings hub = hub_settings();
  setWindowTitle(tr("Download from a hub"));
  const bool dataset = kind_ == HubKind::Dataset;
  title_->setText(dataset ? tr("Download a dataset from a hub")
                          : tr("Download a model from a hub"));
  id_label_->setText(tr("&Repository"));
  id_->setPlaceholderText(tr("organisation/name"));
  id_->setAccessibleName(tr("Repository"));
  revision_label_->setText(tr("Re&vision"));
  revision_->setAccessibleName(tr("Revision"));
  note_->setText(
      (dataset
           ? tr("From %1 into %2, where other tools find it too. Rows (Parquet, Arrow, JSON, CSV, "
                "tar) and pictures are fetched, and each file is checked against the hash that the "
                "hub publishes. HF_ENDPOINT names another hub, HF_TOKEN opens gated repositories.")
           : tr("From %1 into %2, where other tools find it too. Only safetensors, JSON, templates "
                "and "
                "tokenizer files are fetched, and each is checked against the hash that the hub "
                "publishes. HF_ENDPOINT names another hub, HF_TOKEN opens gated repositories."))
          .arg(QString::fromStdString(hub.endpoint), shown_path(path_text(hub.cache))));
  fit();
  start_->setText(tr("&Download"));
  cancel_->setText(tr("&Stop the download"));
  load_->setText(dataset ? tr("&Use it") : tr("&Load it"));
  close_->setText(tr("&Close"));
}

void FetchDialog::propose(const QString& repository) { id_->setText(repository); }

QString FetchDialog::percent() const {
  return request_ ? QStringLiteral("%1 %").arg(permille_ / 10) : QString();
}

void FetchDialog::enable() {
  const bool runs = request_ != 0;
  id_->setEnabled(!runs);
  revision_->setEnabled(!runs);
  start_->setVisible(!runs);
  start_->setEnabled(!runs && !id_->text().trimmed().isEmpty());
  cancel_->setVisible(runs);
  load_->setVisible(!runs && !folder_.isEmpty());
  load_->setEnabled(kind_ == HubKind::Dataset || can_load(workspace_.state()));
  fit();
}

void FetchDialog::fit() {
  if (!isVisible()) return;
  // After the event: labels that were just filled or shown have told the layout by then. A dialog
  // never grows by itself, and wrapped labels would be pressed together.
  QTimer::singleShot(0, this, [this] {
    layout()->activate();
    const int needed =
        std::min(layout()->totalHeightForWidth(width()), screen()->availableGeometry().height());
    setMinimumHeight(needed);
    if (height() != needed) resize(width(), needed);
  });
}

void FetchDialog::resizeEvent(QResizeEvent* event) {
  QDialog::resizeEvent(event);
  if (event->oldSize().width() != event->size().width()) fit();
}

bool FetchDialog::eventFilter(QObject* watched, QEvent* event) {
  const bool came_or_went = event->type() == QEvent::Show || event->type() == QEvent::Hide;
  if (watched == banner_ && came_or_went) fit();
  return QDialog::eventFilter(watched, event);
}

void FetchDialog::showEvent(QShowEvent* event) {
  QDialog::showEvent(event);
  fit();
}

void FetchDialog::start() {
  if (request_ || id_->text().trimmed().isEmpty()) return;
  banner_->dismiss();
  folder_.clear();
  permille_ = 0;
  const QString repository = repository_of(id_->text()), revision = revision_->text().trimmed();
  id_->setText(repository);
  progress_->setRange(0, 0);
  progress_->show();
  progress_text_->setText(tr("Asking the hub what the repository holds…"));
  progress_text_->show();
  const std::string of = revision.isEmpty() ? "main" : revision.toStdString();
  request_ = kind_ == HubKind::Dataset
                 ? workspace_.session().fetch_dataset(repository.toStdString(), of)
                 : workspace_.session().fetch_model(repository.toStdString(), of);
  enable();
  emit changed();
}

void FetchDialog::show_progress(const FetchProgress& p) {
  if (p.total == 0) return;
  permille_ = static_cast<int>(1000.0 * static_cast<double>(p.done) / static_cast<double>(p.total));
  progress_->setRange(0, 1000);
  progress_->setValue(permille_);
  QString text =
      tr("File %1 of %2: %3").arg(p.index).arg(p.count).arg(QString::fromStdString(p.file)) +
      QLatin1Char('\n') +
      tr("%1 of %2")
          .arg(bytes_text(static_cast<std::int64_t>(p.done)),
               bytes_text(static_cast<std::int64_t>(p.total)));
  if (p.stage == FetchStage::Checking) text += QStringLiteral(" · ") + tr("checking");
  if (p.stage == FetchStage::Waiting)
    text += QStringLiteral(" · ") + tr("waiting for another program that fetches it");
  if (p.stage == FetchStage::Fetching && p.bytes_per_second > 0) {
    text += QStringLiteral(" · ") +
            tr("%1/s").arg(bytes_text(static_cast<std::int64_t>(p.bytes_per_second))) +
            QStringLiteral(" · ") +
            tr("%1 left").arg(duration_text(
                static_cast<double>(p.total - std::min(p.total, p.done)) / p.bytes_per_second));
  }
  progress_text_->setText(text);
  fit();
  emit changed();
}

void FetchDialog::end(const RequestDone& event) {
  if (!request_ || event.request != request_) return;
  request_ = 0;
  progress_->hide();
  if (event.cancelled) {
    progress_text_->setText(tr("Stopped. What came is kept; download again to go on from there."));
  } else if (event.error) {
    progress_text_->hide();
    banner_->show_error(*event.error);
  }
  enable();
  emit changed();
  emit ended(folder_);
}

}  // namespace luthier
