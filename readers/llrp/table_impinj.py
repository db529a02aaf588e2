"""Impinj's messages and parameters in the notation of `table`, as its Octane LLRP definitions publish them.

RSSI in 0.01 dBm, phase in 1/4096 of a turn, Doppler in 1/16 Hz, temperature in °C, coordinates in degrees × 10^6,
times in ms.
"""

from __future__ import annotations

from typing import Final

MESSAGES: Final = """
25882/21 IMPINJ_ENABLE_EXTENSIONS           # without it the reader refuses every other vendor parameter
    -:32
    > Custom*
25882/22 IMPINJ_ENABLE_EXTENSIONS_RESPONSE
    > LLRPStatus  Custom*
25882/23 IMPINJ_SAVE_SETTINGS
    SaveConfiguration:u1  -:7
    > Custom*
25882/24 IMPINJ_SAVE_SETTINGS_RESPONSE
    > LLRPStatus  Custom*
"""

PARAMETERS: Final = """
# Capabilities and configuration
25882/21 ImpinjRequestedData
    RequestedData:u32=ImpinjRequestedDataType
    > Custom*
25882/22 ImpinjSubRegulatoryRegion
    RegulatoryRegion:u16=ImpinjRegulatoryRegion
    > Custom*
25882/29 ImpinjDetailedVersion
    ModelName:utf8v  SerialNumber:utf8v  SoftwareVersion:utf8v  FirmwareVersion:utf8v  FPGAVersion:utf8v
    PCBAVersion:utf8v
    > ImpinjHubVersions?  ImpinjArrayVersion?  Custom*
25882/30 ImpinjFrequencyCapabilities
    FrequencyList:u32v
    > Custom*
25882/36 ImpinjGPIDebounceConfiguration
    GPIPortNum:u16  GPIDebounceTimerMSec:u32
    > Custom*
25882/37 ImpinjReaderTemperature
    Temperature:s16
    > Custom*
25882/38 ImpinjLinkMonitorConfiguration     # threshold: keepalives that stay unanswered before the link is down
    LinkMonitorMode:u16=ImpinjMode  LinkDownThreshold:u16
    > Custom*
25882/39 ImpinjReportBufferConfiguration
    ReportBufferMode:u16=ImpinjReportBufferMode
    > Custom*
25882/64 ImpinjAdvancedGPOConfiguration
    GPOPortNum:u16  GPOMode:u16=ImpinjAdvancedGPOMode  GPOPulseDurationMSec:u32
    > Custom*
25882/1520 ImpinjArrayVersion
    SerialNumber:utf8v  FirmwareVersion:utf8v  PCBAVersion:utf8v
    > Custom*
25882/1537 ImpinjHubVersions
    > ImpinjArrayVersion+  Custom*
25882/1538 ImpinjHubConfiguration
    HubID:u16  Connected:u16=ImpinjHubConnectedType  Fault:u16=ImpinjHubFaultType
    > Custom*

# Inventory
25882/23 ImpinjInventorySearchMode
    InventorySearchMode:u16=ImpinjInventorySearchType
    > Custom*
25882/26 ImpinjFixedFrequencyList
    FixedFrequencyMode:u16=ImpinjFixedFrequencyMode  -:16  ChannelList:u16v
    > Custom*
25882/27 ImpinjReducedPowerFrequencyList
    ReducedPowerMode:u16=ImpinjMode  -:16  ChannelList:u16v
    > Custom*
25882/28 ImpinjLowDutyCycle
    LowDutyCycleMode:u16=ImpinjMode  EmptyFieldTimeout:u16  FieldPingInterval:u16
    > Custom*
25882/59 ImpinjLoopSpec                     # LLRP 1.1 has its own
    LoopCount:u32
    > Custom*

# What tag reports hold
25882/50 ImpinjTagReportContentSelector
    > ImpinjEnableSerializedTID?  ImpinjEnableRFPhaseAngle?  ImpinjEnablePeakRSSI?  ImpinjEnableGPSCoordinates?
      ImpinjEnableOptimizedRead?  ImpinjEnableRFDopplerFrequency?  Custom*
25882/51 ImpinjEnableSerializedTID          # FastID
    SerializedTIDMode:u16=ImpinjMode
    > Custom*
25882/52 ImpinjEnableRFPhaseAngle
    RFPhaseAngleMode:u16=ImpinjMode
    > Custom*
25882/53 ImpinjEnablePeakRSSI
    PeakRSSIMode:u16=ImpinjMode
    > Custom*
25882/54 ImpinjEnableGPSCoordinates
    GPSCoordinatesMode:u16=ImpinjMode
    > Custom*
25882/65 ImpinjEnableOptimizedRead
    OptimizedReadMode:u16=ImpinjMode
    > C1G2Read*  Custom*
25882/67 ImpinjEnableRFDopplerFrequency
    RFDopplerFrequencyMode:u16=ImpinjMode
    > Custom*
25882/55 ImpinjSerializedTID
    TID:u16v
    > Custom*
25882/56 ImpinjRFPhaseAngle
    PhaseAngle:u16
    > Custom*
25882/57 ImpinjPeakRSSI
    RSSI:s16
    > Custom*
25882/58 ImpinjGPSCoordinates
    Latitude:s32  Longitude:s32
    > Custom*
25882/68 ImpinjRFDopplerFrequency
    DopplerFrequency:s16
    > Custom*
25882/60 ImpinjGPSNMEASentences
    > ImpinjGGASentence?  ImpinjRMCSentence?  Custom*
25882/61 ImpinjGGASentence
    GGASentence:utf8v
    > Custom*
25882/62 ImpinjRMCSentence
    RMCSentence:utf8v
    > Custom*

# Access
25882/40 ImpinjAccessSpecConfiguration
    > ImpinjBlockWriteWordCount?  ImpinjOpSpecRetryCount?  ImpinjAccessSpecOrdering?  Custom*
25882/41 ImpinjBlockWriteWordCount
    WordCount:u16
    > Custom*
25882/63 ImpinjOpSpecRetryCount
    RetryCount:u16
    > Custom*
25882/66 ImpinjAccessSpecOrdering
    OrderingMode:u16=ImpinjAccessSpecOrderingMode
    > Custom*
25882/42 ImpinjBlockPermalock
    OpSpecID:u16  AccessPassword:u32  MB:u2  -:6  BlockPointer:u16  BlockMask:u16v
    > Custom*
25882/43 ImpinjBlockPermalockOpSpecResult
    Result:u8=ImpinjBlockPermalockResultType  OpSpecID:u16
    > Custom*
25882/44 ImpinjGetBlockPermalockStatus
    OpSpecID:u16  AccessPassword:u32  MB:u2  -:6  BlockPointer:u16  BlockRange:u16
    > Custom*
25882/45 ImpinjGetBlockPermalockStatusOpSpecResult
    Result:u8=ImpinjGetBlockPermalockStatusResultType  OpSpecID:u16  PermalockStatus:u16v
    > Custom*
25882/46 ImpinjSetQTConfig
    OpSpecID:u16  AccessPassword:u32  DataProfile:u8=ImpinjQTDataProfile  AccessRange:u8=ImpinjQTAccessRange
    Persistence:u8=ImpinjQTPersistence  -:32
    > Custom*
25882/47 ImpinjSetQTConfigOpSpecResult
    Result:u8=ImpinjSetQTConfigResultType  OpSpecID:u16
    > Custom*
25882/48 ImpinjGetQTConfig
    OpSpecID:u16  AccessPassword:u32
    > Custom*
25882/49 ImpinjGetQTConfigOpSpecResult
    Result:u8=ImpinjGetQTConfigResultType  OpSpecID:u16  DataProfile:u8=ImpinjQTDataProfile
    AccessRange:u8=ImpinjQTAccessRange  -:32
    > Custom*
"""

ENUMERATIONS: Final = """
ImpinjMode
    0 Disabled  1 Enabled
ImpinjRequestedDataType
    1000 All_Capabilities  1001 Impinj_Detailed_Version  1002 Impinj_Frequency_Capabilities
    1003 Impinj_Array_Capabilities  2000 All_Configuration  2001 Impinj_Sub_Regulatory_Region
    2002 Impinj_Forklift_Configuration  2003 Impinj_GPI_Debounce_Configuration  2004 Impinj_Reader_Temperature
    2005 Impinj_Link_Monitor_Configuration  2006 Impinj_Report_Buffer_Configuration
    2007 Impinj_Access_Spec_Configuration  2008 Impinj_GPS_NMEA_Sentences  2009 Impinj_Advanced_GPO_Configuration
    2010 Impinj_Tilt_Configuration  2011 Impinj_Beacon_Configuration  2012 Impinj_Antenna_Configuration
    2013 Impinj_Location_Configuration  2014 Impinj_Transition_Configuration
ImpinjRegulatoryRegion
    0 FCC_Part_15_247  1 ETSI_EN_300_220  2 ETSI_EN_302_208_With_LBT  3 Hong_Kong_920_925_MHz
    4 Taiwan_922_928_MHz  5 Japan_952_954_MHz  6 Japan_952_954_MHz_Low_Power  7 ETSI_EN_302_208_v1_2_1
    8 Korea_917_921_MHz  9 Malaysia_919_923_MHz  10 China_920_925_MHz  11 Japan_952_956_MHz_Without_LBT
    12 South_Africa_915_919_MHz  13 Brazil_902_907_and_915_928_MHz  14 Thailand_920_925_MHz
    15 Singapore_920_925_MHz  16 Australia_920_926_MHz  17 India_865_867_MHz  18 Uruguay_916_928_MHz
    19 Vietnam_920_925_MHz  20 Israel_915_917_MHz  21 Philippines_918_920_MHz  22 Canada_Post
    23 Indonesia_923_925_MHz  24 New_Zealand_921p5_928_MHz  25 Japan_916_921_MHz_Without_LBT
    26 Latin_America_902_928_MHz
ImpinjReportBufferMode
    0 Normal  1 Low_Latency
ImpinjAdvancedGPOMode
    0 Normal  1 Pulsed  2 Reader_Operational_Status  3 LLRP_Connection_Status  4 Reader_Inventory_Status
    5 Network_Connection_Status  6 Reader_Inventory_Tags_Status
ImpinjHubConnectedType
    0 Unknown  1 Disconnected  2 Connected
ImpinjHubFaultType
    0 No_Fault  1 RF_Power  2 RF_Power_On_Hub_1  3 RF_Power_On_Hub_2  4 RF_Power_On_Hub_3  5 RF_Power_On_Hub_4
    6 No_Init  7 Serial_Overflow  8 Disconnected
ImpinjInventorySearchType
    0 Reader_Selected  1 Single_Target  2 Dual_Target  3 Single_Target_With_Suppression
ImpinjFixedFrequencyMode
    0 Disabled  1 Auto_Select  2 Channel_List
ImpinjAccessSpecOrderingMode
    0 FIFO  1 Ascending
ImpinjBlockPermalockResultType
    0 Success  1 Insufficient_Power  2 Nonspecific_Tag_Error  3 No_Response_From_Tag  4 Nonspecific_Reader_Error
    5 Incorrect_Password_Error  6 Tag_Memory_Overrun_Error
ImpinjGetBlockPermalockStatusResultType
    0 Success  1 Nonspecific_Tag_Error  2 No_Response_From_Tag  3 Nonspecific_Reader_Error
    4 Incorrect_Password_Error  5 Tag_Memory_Overrun_Error
ImpinjQTDataProfile
    0 Unknown  1 Private  2 Public
ImpinjQTAccessRange
    0 Unknown  1 Normal_Range  2 Short_Range
ImpinjQTPersistence
    0 Unknown  1 Temporary  2 Permanent
ImpinjSetQTConfigResultType
    0 Success  1 Insufficient_Power  2 Nonspecific_Tag_Error  3 No_Response_From_Tag  4 Nonspecific_Reader_Error
    5 Incorrect_Password_Error
ImpinjGetQTConfigResultType
    0 Success  1 Nonspecific_Tag_Error  2 No_Response_From_Tag  3 Nonspecific_Reader_Error
    4 Incorrect_Password_Error
"""
