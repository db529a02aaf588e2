"""Zebra's (once Motorola's) messages and parameters in the notation of `table`, as its definition for the LLRP toolkit
publishes them.

Times in µs where a field is 64 bits, else in ms; powers in 0.01 dBm, frequencies in kHz.
"""

from __future__ import annotations

from typing import Final

CHOICES: Final = """
ModeControlParameter = MotoPortalDirectionalityAIMControlParameter
MotoFilterTimeFormatChoice = MotoFilterTimeOfDay | MotoUTCTimestamp
MotoGenericParamSpec = MotoGenericParamData | MotoGenericParamValue
"""

MESSAGES: Final = """
# Tag events
161/2 MOTO_GET_TAG_EVENT_REPORT
161/3 MOTO_PURGE_TAGS
    PurgeTagEventStateOnly:u1  -:7
    > EPCData*
161/4 MOTO_PURGE_TAGS_RESPONSE
    > LLRPStatus
161/5 MOTO_TAG_EVENT_NOTIFY

# Radio firmware
161/10 MOTO_UPDATE_RADIO_FIRMWARE
    FirmwareFilePath:utf8v
161/11 MOTO_UPDATE_RADIO_FIRMWARE_RESPONSE
    > LLRPStatus
161/12 MOTO_UPDATE_RADIO_CONFIG
    ConfigFilePath:utf8v
161/13 MOTO_UPDATE_RADIO_CONFIG_RESPONSE
    > LLRPStatus
161/14 MOTO_GET_RADIO_UPDATE_STATUS
161/15 MOTO_GET_RADIO_UPDATE_STATUS_RESPONSE
    > LLRPStatus  MotoRadioUpdateStatusInfo
161/16 MOTO_C2_COMMAND
    c2Command:utf8v
161/17 MOTO_C2_COMMAND_RESPONSE
    c2Response:utf8v
    > LLRPStatus

# Antenna matching
161/18 MOTO_PERFORM_VSWR_CHARACTERIZATION
    AntennaIDs:u16v  TransmitPowers:u16v  ChannelMask:u64
161/19 MOTO_PERFORM_VSWR_CHARACTERIZATION_RESULT
    > AntennaVSWRTableEntry+  LLRPStatus
"""

PARAMETERS: Final = """
# Capabilities
161/50 MotoGeneralRequestCapabilities
    RequestedData:u8=MotoGeneralRequestCapabilitiesRequestedData
161/1 MotoGeneralCapabilities
    Version:u32  CanGetGeneralParams:u1  CanReportPartNumber:u1  CanReportRadioVersion:u1
    CanSupportRadioPowerState:u1  -:4
161/100 MotoAutonomousCapabilities
    Version:u32  CanSupportAutonomousMode:u1  -:7
161/110 MotoAdvancedCapabilities
    Version:u32  CanReportPhase:u1  CanSupportZone:u1  CanSupportAntennaRFConfig:u1
    CanSupportPeriodicTagReports:u1  CanSupportSledBatteryStatus:u1  -:3
161/120 MotoTagEventsGenerationCapabilities
    Version:u32  CanSelectTagEvents:u1  CanSelectTagReportingFormat:u1  -:6
161/130 MotoLocationCapabilities
    Version:u32  CanSupportMotoFindItem:u1  CanSupportMotoPortalDirectionality:u1  -:6  -:32
161/200 MotoFilterCapabilities
    Version:u32  CanFilterTagsBasedOnRSSI:u1  CanFilterTagsBasedOnTimeOfDay:u1  CanFilterTagsBasedOnUTCTimeStamp:u1
    -:5
161/300 MotoPersistenceCapabilities
    Version:u32  CanSaveConfiguration:u1  CanSaveTags:u1  CanSaveEvents:u1  -:5
161/400 MotoC1G2LLRPCapabilities
    Version:u32  CanSupportBlockPermalock:u1  CanSupportRecommissioning:u1  CanWriteUMI:u1
    CanSupportNXPCustomCommands:u1  CanSupportFujitsuCustomCommands:u1  CanSupportImpinjCustomCommands:u1  -:2
161/503 MotoRadioDutyCycleTable
    DutyCyclePercentage:u16v
161/504 MotoVersionList
    > MotoVersion*
161/256 MotoVersion
    ModuleName:utf8v  ModuleVersion:utf8v

# Configuration
161/51 MotoGeneralGetParams
    RequestedData:u8=MotoGeneralGetParamsRequestedData
161/101 MotoAutonomousState
    AutonomousModeState:u1  -:7
161/102 MotoDefaultSpec
    UseDefaultSpecForAutoMode:u1  -:7
    > ROSpec  AccessSpec*
161/350 MotoPersistenceSaveParams
    SaveConfiguration:u1  SaveTagData:u1  SaveTagEventData:u1  -:5
161/466 MotoCustomCommandOptions
    EnableNXPSetAndResetQuietCommands:u1  -:31
161/500 MotoRadioPowerState
    RadioPowerState:u1  -:7
161/501 MotoRadioUpdateStatusInfo
    PercentageComplete:u8  RadioUpdateStatusCode:u8  StatusDescription:utf8v
161/502 MotoRadioDutyCycle
    DutyCycleIndex:u8
161/508 MotoSledBatteryStatus
    BatteryLevel:u32  Status:u8=MotoBatteryStatus
161/509 MotoUSBHostParams
    USBHostTurnOnTime:s16  -:32
161/600 MotoGenericParameter
    ParamNumber:u16  MotoParam:u1v

# Filters on the reader
161/255 MotoFilterList
    UseFilter:u1  -:31
    > MotoFilterRule*
161/254 MotoFilterRule
    RuleType:u8=MotoFilterRuleRuleType
    > MotoFilterRSSIRange?  MotoFilterTimeRange?
161/253 MotoFilterRSSIRange
    Match:u8=MotoFilterMatch  -:8
    > PeakRSSI+
161/252 MotoFilterTimeRange
    TimeFormat:u8=MotoFilterTimeRangeTimeFormat  Match:u8=MotoFilterMatch
    > MotoFilterTimeFormatChoice+
161/251 MotoFilterTimeOfDay
    Microseconds:u64
161/250 MotoUTCTimestamp
    Microseconds:u64

# Antennas and zones
161/700 Motozone
    ZoneID:u16  ZoneName:utf8v  AntennaIDs:u16v
161/701 MotoZoneAntennaSequence
    ZoneID:u16  AntennaIDs:u16v
161/702 MotoZoneAntennaSequenceList
    > MotoZoneAntennaSequence+
161/703 MotoAntennaConfig
    > MotoAntennaStopCondition?  MotoAntennaPhysicalPortConfig?  MotoAntennaQueryConfig?
161/704 MotoAntennaStopCondition
    AntennaStopTrigger:u8=MotAntennaStopTriggerType  AntennaStopConditionValue:u16
161/705 MotoAntennaPhysicalPortConfig
    PhysicalTransmitPort:u16  PhysicalReceivePort:u16
161/710 MotoAntennaQueryConfig
    EnableSLAll:u1  EnableABFlip:u1  -:14
161/5000 AntennaVSWRTableEntry
    AntennaID:u16
    > ChannelVSWRTableEntry+
161/5001 ChannelVSWRTableEntry
    ChannelFrequency:u32  ForwardPower:u16  ReversePower:u16  VSWR:u32
    > UTCTimestamp?

# Reports and events
161/121 MotoTagEventSelector
    ReportNewTagEvent:u8=MotoTagEventSelectorReport  NewTagEventModeratedTimeout:u16
    ReportTagInvisibleEvent:u8=MotoTagEventSelectorReport  TagInvisibleEventModeratedTimeout:u16
    ReportTagVisibilityChangeEvent:u8=MotoTagEventSelectorReport  TagVisibilityChangeEventModeratedTimeout:u16
161/122 MotoTagReportMode
    ReportFormat:u8=MotoReportFormat
161/123 MotoTagEventList
    > MotoTagEventEntry*
161/124 MotoTagEventEntry
    EventType:u8=MotoTagEventTypeEnum  Microseconds:u64
161/125 MotoROReportTrigger
    MotoReportTrigger:u8=MotoReportTriggerType
161/450 MotoC1G2ExtendedPC
    XPC:u16v
161/464 MotoNXPEASAlarmNotification
    EASAlarmCode:u64
    > AntennaID?
161/465 MotoConnectionFailureReason
    ErrorCode:u8=MotoConnectionErrorType  ErrorDescription:utf8v
161/706 MotoTagZoneID
    ZoneID:u16
161/707 MotoTagZoneName
    ZoneName:utf8v
161/708 MotoTagReportContentSelector
    EnableZoneID:u1  EnableZoneName:u1  EnableAntennaPhysicalPortConfig:u1  EnablePhase:u1  -:28
161/709 MotoTagPhase
    Phase:s16
161/800 MotoASCIIDebugInfo
    ASCIIData:utf8v

# Location and direction of tags
161/270 MotoFindItem
    Mode:u16  ModeParam:u16  AntennaIDs:u16v
161/271 MotoLocationResult
    RelativeDistance:s16
161/505 MotoPortalDirectionalityConfiguration
    Mode:u8=MotoPortalDirectionalityMode
    > MotoPortalDirectionalitySource*  ModeControlParameter?
161/506 MotoPortalDirectionalityAIMControlParameter
    ConfidenceThreshold:u32
161/507 MotoPortalDirectionalityEngineerParameter
    TimeSinceFirst:u32  TimeSinceLast:u32  Generic:u32
161/272 MotoPortalDirectionalitySource
    SourceID:u16
    > MotoPortalDirectionalityAntenna+
161/273 MotoPortalDirectionalityAntenna
    AntennaID:u16  Direction:u8=MotoPortalDirectionalityAntennaDirection
161/274 MotoPortalDirectionalityEventList
    > MotoPortalDirectionalityEventEntry*
161/275 MotoPortalDirectionalityEventEntry
    Microseconds:u64  SourceID:u16  Confidence:u8

# Access: Gen2, then the tags of NXP, Fujitsu and Impinj
161/451 MotoC1G2Recommission
    OpSpecID:u16  KillPassword:u32  Operation:u8=MotoC1G2RecommissionOperation
161/452 MotoC1G2RecommissionOpSpecResult
    Result:u8=MotoC1G2RecommissionOpSpecResultType  OpSpecID:u16
161/453 MotoC1G2BlockPermalock
    OpSpecID:u16  AccessPassword:u32  MB:u2  ReadLock:u1  -:5  BlockPointer:u16  ReadBlockRange:u16  Mask:u16v
161/454 MotoC1G2BlockPermalockOpSpecResult
    Result:u8=MotoOpSpecResultType  OpSpecID:u16  Status:u16v
161/455 MotoNXPChangeEAS
    OpSpecID:u16  AccessPassword:u32  EASState:u1  -:7
161/456 MotoNXPChangeEASOpSpecResult
    Result:u8=MotoOpSpecResultType  OpSpecID:u16
161/457 MotoNXPSetQuiet
    OpSpecID:u16  AccessPassword:u32
161/458 MotoNXPSetQuietOpSpecResult
    Result:u8=MotoOpSpecResultType  OpSpecID:u16
161/459 MotoNXPResetQuiet
    OpSpecID:u16  AccessPassword:u32
161/460 MotoNXPResetQuietOpSpecResult
    Result:u8=MotoOpSpecResultType  OpSpecID:u16
161/461 MotoNXPCalibrate
    OpSpecID:u16  AccessPassword:u32
161/462 MotoNXPCalibrateOpSpecResult
    Result:u8=MotoOpSpecResultType  OpSpecID:u16  ReadData:u16v
161/463 MotoNXPEASAlarmSpec
    AntennaIDs:u16v
161/485 MotoNXPChangeConfig
    OpSpecID:u16  AccessPassword:u32  -:8  NXPChangeConfigWord:u16
161/486 MotoNXPChangeConfigOpSpecResult
    Result:u8=MotoOpSpecResultType  OpSpecID:u16  NXPChangeConfigWord:u16
161/467 MotoFujitsuChangeWordLock
    OpSpecID:u16  WordPointer:u16  MB:u2  PayloadMask:u2  PayloadAction:u2  -:2  BlockGroupPassword:u32  -:32
161/468 MotoFujitsuChangeWordLockOpSpecResult
    Result:u8=MotoOpSpecResultType  OpSpecID:u16
161/469 MotoFujitsuChangeBlockLock
    OpSpecID:u16  BlockGroupPointer:u8  PayloadMask:u16  PayloadAction:u16  BlockGroupPassword:u32  -:32
161/470 MotoFujitsuChangeBlockLockOpSpecResult
    Result:u8=MotoOpSpecResultType  OpSpecID:u16
161/471 MotoFujitsuReadBlockLock
    OpSpecID:u16  BlockGroupPointer:u8  -:32
161/472 MotoFujitsuReadBlockLockOpSpecResult
    Result:u8=MotoOpSpecResultType  OpSpecID:u16  BlockLockStatus:u16
161/473 MotoFujitsuChangeBlockOrAreaGroupPassword
    OpSpecID:u16  BlockOrAreaGroupPointer:u8  currentPassword:u32  newPassword:u32  -:32
161/474 MotoFujitsuChangeBlockOrAreaGroupPasswordOpSpecResult
    Result:u8=MotoOpSpecResultType  OpSpecID:u16
161/475 MotoFujitsuBurstWrite
    OpSpecID:u16  AccessPassword:u32  MB:u2  -:14  WordPointer:u16  -:16  BurstWriteData:u16v
161/476 MotoFujitsuBurstWriteOpSpecResult
    Result:u8=MotoOpSpecResultType  OpSpecID:u16  WordsNotWritten:u8
161/477 MotoFujitsuBurstErase
    OpSpecID:u16  AccessPassword:u32  MB:u2  -:6  WordPointer:u16  WordCount:u8
161/478 MotoFujitsuBurstEraseOpSpecResult
    Result:u8=MotoOpSpecResultType  OpSpecID:u16  WordsNotErased:u8
161/479 MotoFujitsuAreaReadLock
    OpSpecID:u16  AreaGroupPointer:u8  AreaReadLockMask:u16  AreaReadLockAction:u16  AreaGroupPassword:u32  -:32
161/480 MotoFujitsuAreaReadLockOpSpecResult
    Result:u8=MotoOpSpecResultType  OpSpecID:u16
161/481 MotoFujitsuAreaWriteLock
    OpSpecID:u16  AreaGroupPointer:u8  AreaWriteLockMask:u16  AreaWriteLockAction:u16  AreaGroupPassword:u32  -:32
161/482 MotoFujitsuAreaWriteLockOpSpecResult
    Result:u8=MotoOpSpecResultType  OpSpecID:u16
161/483 MotoFujitsuAreaWriteLockWOPassword
    OpSpecID:u16  AreaGroupPointer:u8  AreaWriteLockWOPasswordAction:u16  -:32
161/484 MotoFujitsuAreaWriteLockWOPasswordOpSpecResult
    Result:u8=MotoOpSpecResultType  OpSpecID:u16
161/487 MotoImpinjQT
    OpSpecID:u16  AccessPassword:u32  QT_Write:u1  QT_Persist:u1  -:6
    > QTData?
161/488 QTData
    QT_Control:u16
161/489 MotoImpinjQTOpSpecResult
    Result:u8=MotoOpSpecResultType  OpSpecID:u16  QT_Write:u1  -:7
    > QTData?
161/1010 MotoGenericCustomOpSpec
    OpSpecID:u16  AccessPassword:u32  IsSecureMode:u1  -:15  Gen2Command:u16  ManufacturerID:u16  GenericData:u32
    -:32  -:32
    > MotoGenericParamSpec+  MotoGenericResponseSpec*
161/1011 MotoGenericParamData
    NumberOfBits:u16  Data:u16v
161/1012 MotoGenericParamValue
    Parameter:u16=GenericParameterType  -:32
161/1013 MotoGenericResponseSpec
    ResponseParameter:u16=GenericResponseSpecType  -:32
161/1014 MotoGenericCustomOpSpecResult
    Result:u8=MotoOpSpecResultType  OpSpecID:u16  Data:u16v
"""

ENUMERATIONS: Final = """
MotoGeneralRequestCapabilitiesRequestedData
    0 All  1 General_Capabilities  2 Autonomous_Mode_Capabilities  3 Tag_Events_Generation_Capabilities
    4 Filtering_Capabilities  5 Persistence_Capabilities  6 C1G2_Capabilities  7 Tag_Locating_Capabilities
    8 Radio_DutyCycle_Capabilities  9 Versions_Capabilities  10 Advanced_Capabilities
MotoGeneralGetParamsRequestedData
    0 All  1 MotoAutonomousState  2 MotoFilterList  3 MotoPersistenceSaveParams  4 MotoDefaultSpec
    5 MotoRadioPowerState  6 MotoRadioDutyCycle  7 MotoCustomCommandOptions
    8 MotoPortalDirectionalityConfiguration  9 MotoSledBatteryStatus  10 MotoUSBHostParams
MotoBatteryStatus
    0 Battery_Charging  1 Battery_Discharging  2 Battery_Level_Critical  255 Status_Unknown
MotoFilterRuleRuleType
    0 Inclusive  1 Exclusive  2 Continue
MotoFilterMatch
    0 Within_Range  1 Outside_Range  2 Greater_Than_Lower_Limit  3 Lower_Than_Upper_Limit
MotoFilterTimeRangeTimeFormat
    0 Time_Of_Day  1 UTC_Timestamp
MotAntennaStopTriggerType
    0 Dwell_Time  1 Number_Inventory_Cycles
MotoTagEventSelectorReport
    0 Never  1 Immediate  2 Moderated
MotoReportFormat
    0 No_Reporting  1 Report_Notifications  2 Report_Events
MotoTagEventTypeEnum
    0 Unknown  1 New_Tag_Visible  2 Tag_Not_Visible  3 Tag_Visibility_Changed
MotoReportTriggerType
    0 Moto_None  1 Moto_Upon_N_Seconds_Or_End_Of_AISpec  2 Moto_Upon_N_Seconds_Or_End_Of_ROSpec
MotoConnectionErrorType
    0 Unknown_Error  1 Region_Not_Configured_Error
MotoPortalDirectionalityMode
    0 AntennaIndexMethod  1 AntennaIndexMethodWithRFMetrics
MotoPortalDirectionalityAntennaDirection
    0 Input  1 Output
MotoC1G2RecommissionOperation
    1 Undo_And_Disable_Block_Permalock  2 Disable_User_Memory  3 Disable_User_Memory_2ndOption
    4 Undo_Lock_And_Make_Passwords_Unreadable
    5 Undo_And_Disable_Block_Permalock_And_Undo_Lock_And_Make_Passwords_Unreadable
    6 Disable_User_Memory_And_Undo_Lock_And_Make_Passwords_Unreadable
    7 Disable_User_Memory_And_Undo_Lock_And_Make_Passwords_Unreadable_2ndOption
MotoC1G2RecommissionOpSpecResultType
    0 Success  1 Zero_Kill_Password_Error  2 Insufficient_Power  3 Nonspecific_Tag_Error  4 No_Response_From_Tag
    5 Nonspecific_Reader_Error
MotoOpSpecResultType
    0 Success  1 Insufficient_Power  2 Nonspecific_Tag_Error  3 No_Response_From_Tag  4 Nonspecific_Reader_Error
    5 Tag_Memory_Overrun_Error  6 Tag_Memory_Locked_Error
GenericParameterType
    1 TAG_HANDLE_16  2 CRC_16  3 DR_1  4 M_1  5 TRExt_1  6 AccessPassword_XOR_2_32  7 CONFIG_XOR_16
GenericResponseSpecType
    1 SUCCESS0  2 HANDLE_VALIDATE  3 CRC16_VALIDATE  4 CRC5_VALIDATE_64  5 CALIBRATE_USERDATA_512
    6 RECV_DATA_16  7 SUCCESS0_HEADER_1
"""
